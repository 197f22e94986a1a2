"""The shapes world: its truth agrees with itself and never changes."""

import numpy as np
import pytest

from keras_struct.data import open as open_dataset
from keras_struct.data import shapes
from keras_struct.data.scenes import CLASS_NAMES, KEYPOINT_NAMES


def all_fields(dataset, index):
    return dataset.read(index, dataset.fields)


def test_image_i_depends_on_seed_and_i_alone():
    one, other = shapes(5, 64), shapes(50, 64)
    _ = other[7]
    np.testing.assert_array_equal(one[3]["images"], other[3]["images"])
    np.testing.assert_array_equal(shapes(1, 64, first=3)[0]["images"], one[3]["images"])
    assert (one[3]["images"] != one[4]["images"]).any()
    assert (one[3]["images"] != shapes(5, 64, seed=1)[3]["images"]).any()


@pytest.mark.parametrize("index", range(12))
def test_masks_boxes_label_maps_and_keypoints_agree(index):
    dataset = shapes(12, (96, 128))
    sample, annotation = all_fields(dataset, index), dataset.annotation(index)
    boxes, labels = sample["bounding_boxes"]["boxes"], sample["bounding_boxes"]["labels"]
    masks, label_map = sample["instance_masks"], sample["segmentation_masks"][..., 0]
    assert sample["images"].shape == (96, 128, 3) and sample["images"].dtype == np.uint8
    assert masks.sum(0).max() <= 1 and 1 <= len(boxes) <= 6
    for box, label, mask, points in zip(boxes, labels, masks, sample["keypoints"], strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        tight = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_array_equal(box, tight)
        assert set(np.unique(label_map[mask > 0])) <= {label + 1, 255}
        assert [points[1, 0], points[2, 1], points[3, 0], points[4, 1]] == tight
        assert (points[:, :2] >= 0).all() and (points[:, :2] <= (128, 96)).all()
    assert not label_map[(masks.sum(0) == 0) & (label_map != 255)].any()
    np.testing.assert_array_equal(annotation["boxes"], boxes)
    np.testing.assert_array_equal(annotation["areas"], masks.sum((1, 2)))
    assert len(annotation["crowd"]) == len(annotation["difficult"]) == len(boxes)


def test_shapes_stand_out_and_stay_visible():
    """Most of a shape is seen, and its colour differs from what is around it."""
    dataset = shapes(30, 128)
    for index in range(30):
        sample = all_fields(dataset, index)
        picture = sample["images"].astype("float32")
        background = picture[sample["instance_masks"].sum(0) == 0].mean(0)
        for mask in sample["instance_masks"]:
            assert mask.sum() >= 30
            assert np.abs(picture[mask > 0].mean(0) - background).sum() > 40


def test_every_class_has_its_area():
    """Area of each shape, in squares of its radius, from its formula."""
    star = 10 * 0.5 * np.sin(np.pi / 5) * np.cos(0.4 * np.pi) / np.cos(np.pi / 5)
    expected = {
        "circle": np.pi,
        "square": 2.0,
        "triangle": 3 * np.sqrt(3) / 4,
        "star": star,
        "cross": 4 * 0.94 * 0.66 - 0.66**2,
        "ring": np.pi * (1 - 0.25),
    }
    from keras_struct.data.scenes import _draw

    for name in CLASS_NAMES:
        layer = np.zeros((128, 128), "float32")
        _draw(layer, {"name": name, "x": 63.7, "y": 64.2, "radius": 50.0, "angle": 0.4})
        assert layer.sum() / 2500 == pytest.approx(expected[name], rel=0.02), name


def test_classes_can_be_chosen():
    dataset = shapes(20, 64, class_names=("star", "ring"))
    labels = np.concatenate([dataset.annotation(index)["labels"] for index in range(20)])
    assert dataset.class_names == ("star", "ring") and set(labels) == {0, 1}
    assert dataset.keypoint_names == KEYPOINT_NAMES


def test_splits_share_no_image():
    train, val = open_dataset("shapes:3"), open_dataset("shapes:3", split="val")
    ids = {d.annotation(i)["image_id"] for d in (train, val) for i in range(3)}
    assert len(ids) == 6


def test_batches_show_what_samples_hold():
    dataset = shapes(4, 64)
    images, targets = next(iter(dataset.batches(4, 64, fields=dataset.fields)))
    for index in range(4):
        sample = all_fields(dataset, index)
        count = len(sample["instance_masks"])
        np.testing.assert_array_equal(images[index], sample["images"])
        boxes, labels = (targets["bounding_boxes"][key][index] for key in ("boxes", "labels"))
        np.testing.assert_array_equal(boxes[:count], sample["bounding_boxes"]["boxes"])
        np.testing.assert_array_equal(labels[:count], sample["bounding_boxes"]["labels"])
        assert (labels[count:] == -1).numpy().all() and not boxes[count:].numpy().any()
        masks = targets["instance_masks"][index]
        np.testing.assert_array_equal(masks[:count], sample["instance_masks"])
        label_map = targets["segmentation_masks"][index]
        np.testing.assert_array_equal(label_map, sample["segmentation_masks"])
        np.testing.assert_allclose(targets["keypoints"][index][:count], sample["keypoints"])
    assert dataset.validate() is None


def test_masks_follow_boxes_through_the_augmentation():
    dataset = shapes(24, 96)
    fields = ("bounding_boxes", "instance_masks", "segmentation_masks", "keypoints")
    for _, targets in dataset.batches(8, 96, augment=True, fields=fields):
        boxes, labels = (targets["bounding_boxes"][k].numpy() for k in ("boxes", "labels"))
        masks, points = targets["instance_masks"].numpy(), targets["keypoints"].numpy()
        for b, n in zip(*np.nonzero(labels >= 0), strict=True):
            rows = np.flatnonzero(masks[b, n].any(1))
            columns = np.flatnonzero(masks[b, n].any(0))
            if len(rows) and min(boxes[b, n, 2:] - boxes[b, n, :2]) > 4:
                tight = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
                # one pixel of the original may be several of the network input; a ring can
                # lose its visible side to the border while its box stays
                assert tight[0] >= boxes[b, n, 0] - 1 and tight[2] <= boxes[b, n, 2] + 1
                assert tight[1] >= boxes[b, n, 1] - 1 and tight[3] <= boxes[b, n, 3] + 1
            seen = points[b, n, 1:][points[b, n, 1:, 2] > 0]
            assert (seen[:, 0] >= boxes[b, n, 0] - 1e-3).all()
            assert (seen[:, 0] <= boxes[b, n, 2] + 1e-3).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "`count` must be a whole number of at least 1. Received: count=0"),
        ({"image_size": 8}, "`image_size` must be a whole number of at least 32"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"max_objects": 0}, "`max_objects` must be a whole number of at least 1"),
        ({"class_names": ("star", "moon")}, "`class_names` must be among .*moon"),
        ({"class_names": ()}, "`class_names` must be among"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shapes(**arguments)
