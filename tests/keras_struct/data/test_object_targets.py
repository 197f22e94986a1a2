"""Masks and keypoints through augmentation: they must stay on what the pixels show."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_struct import data
from keras_struct.data import SSDAugmentation

FIELDS = ("bounding_boxes", "instance_masks", "keypoints")
COLOURS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]])  # by label
CROWD = (250, 250, 250)
BOXES = [(8, 10, 40, 30), (50, 6, 90, 60), (20, 40, 44, 66)]  # by label, xyxy
SIZE = (72, 100)
NAMES = ["left_end", "right_end", "top_end", "bottom_end"]


def ends(box):
    """The middles of the four sides, a pixel inside."""
    x1, y1, x2, y2 = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return [(x1 + 1, y), (x2 - 1, y), (x, y1 + 1), (x, y2 - 1)]


def annotation(number, label, box, crowd=0):
    x1, y1, x2, y2 = box
    return {
        "id": number,
        "image_id": 1,
        "category_id": label + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
        "iscrowd": crowd,
        "keypoints": [value for point in ends(box) for value in (*point, 2)],
    }


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """One image with a rectangle of each class in its colour and a white crowd; one of nothing."""
    folder = tmp_path_factory.mktemp("scene")
    pixels = np.zeros((*SIZE, 3), "uint8")
    for box, colour in zip([*BOXES, (92, 62, 98, 70)], [*COLOURS, CROWD], strict=True):
        pixels[box[1] : box[3], box[0] : box[2]] = colour
    Image.fromarray(pixels).save(folder / "0.png")
    Image.fromarray(pixels * 0).save(folder / "1.png")
    content = {
        "images": [
            {"id": n + 1, "file_name": f"{n}.png", "height": SIZE[0], "width": SIZE[1]}
            for n in range(2)
        ],
        "categories": [{"id": c + 1, "name": "abc"[c], "keypoints": NAMES} for c in range(3)],
        "annotations": [
            annotation(9, 0, (92, 62, 98, 70), crowd=1),
            *(annotation(n, n, box) for n, box in enumerate(BOXES)),
        ],
    }
    (folder / "scene.json").write_text(json.dumps(content))
    return data.coco(folder / "scene.json", folder)


def augmented(scene, resize, epochs=30):
    """Image, boxes, labels, masks and keypoints of the first image, augmented."""
    batches = scene.subset([0]).batches(
        1,
        (64, 80),
        augment=SSDAugmentation(photometric=0, expand=2),
        resize=resize,
        fields=FIELDS,
        epochs=epochs,
        seed=5,
    )
    for images, targets in batches:
        boxes = targets["bounding_boxes"]
        parts = (boxes["boxes"], boxes["labels"], targets["instance_masks"], targets["keypoints"])
        yield (images[0].numpy(), *(part[0].numpy() for part in parts))


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_masks_lie_on_the_pixels_of_their_object(scene, resize):
    cut = whole = 0
    for image, boxes, labels, masks, _ in augmented(scene, resize):
        assert (
            masks.shape == (3, 64, 80) and masks.dtype == np.uint8 and set(labels) <= {-1, 0, 1, 2}
        )
        for box, label, mask in zip(boxes, labels, masks, strict=True):
            if label < 0:
                assert not mask.any()
                continue
            near = np.abs(image - COLOURS[label]).max(-1)
            assert mask[near < 1].all(), "pixels of the object are missing"
            assert (near[mask == 1] < 200).all(), "pixels of others or of the filling are in it"
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            tight = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            assert np.abs(tight - box).max() <= 1.0, "box and mask were cut differently"
            touches = (box[:2] == 0).any() or (box[2:] == (80, 64)).any()
            cut, whole = cut + touches, whole + (not touches)
    assert cut > 5 and whole > 5


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_keypoints_keep_their_side_when_mirrored(scene, resize):
    gone = seen = 0
    for image, boxes, labels, _, keypoints in augmented(scene, resize):
        for box, label, points in zip(boxes, labels, keypoints, strict=True):
            shown = points[:, 2] > 0
            assert not points[~shown].any() and (label >= 0 or not shown.any())
            gone, seen = gone + (label >= 0) * (~shown).sum(), seen + shown.sum()
            for x, y, _ in points[shown]:
                assert (
                    np.abs(image[int(min(y, 63)), int(min(x, 79))] - COLOURS[label]) < 130
                ).all()
            left, right, top, bottom = points
            if shown.all():
                assert left[0] < top[0] < right[0] and top[1] < left[1] < bottom[1]
                assert abs(left[0] - box[0]) < 6 and abs(right[0] - box[2]) < 6
    assert gone > 5 and seen > 100


def test_mirrored_and_plain_images_both_come_up(scene):
    """The test above must see both: the red object lies left of the green one, or right of it."""
    sides = set()
    for _, boxes, labels, *_ in augmented(scene, "stretch"):
        place = dict(zip(labels.tolist(), boxes.tolist(), strict=True))
        if 0 in place and 1 in place:
            sides.add(place[0][0] < place[1][0])
    assert sides == {True, False}


@pytest.mark.parametrize("augment", [False, True])
def test_images_without_objects_give_empty_targets(scene, augment):
    batches = scene.subset([1, 1]).batches(2, 64, augment=augment, fields=FIELDS)
    _, targets = next(iter(batches))
    assert targets["instance_masks"].shape == (2, 1, 64, 64)
    assert targets["keypoints"].shape == (2, 1, 4, 3)
    assert targets["bounding_boxes"]["labels"].numpy().tolist() == [[-1], [-1]]
    assert not targets["instance_masks"].numpy().any() and not targets["keypoints"].numpy().any()


def test_crowds_are_left_out_of_masks_and_keypoints(scene):
    _, targets = next(iter(scene.subset([0]).batches(1, SIZE, fields=FIELDS)))
    assert targets["bounding_boxes"]["labels"].numpy().tolist() == [[0, 1, 2]]
    assert not targets["instance_masks"].numpy()[..., 62:, 92:].any()
    np.testing.assert_allclose(targets["keypoints"][0, 0, :, :2], ends(BOXES[0]))
    assert len(scene.mask_runs(0)) == len(scene.annotation(0)["labels"]) == 4
