"""The augmentation of label maps: labels stay on their pixels, and its own rules hold."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_struct import data
from keras_struct.data import SegmentationAugmentation
from keras_struct.data.resize import MEAN_FILL

SIZE = (90, 120)


@pytest.fixture
def ramps(label_folder):
    """The grey of an image is its label, which counts columns in one image, rows in another."""
    rows, columns = np.indices(SIZE)
    for name, labels in {"columns": columns, "rows": rows}.items():
        image = np.stack([labels, labels, np.zeros_like(labels)], -1).astype("uint8")
        label_folder.add(name, labels, image=image)
    return data.label_maps(label_folder.path, class_names=tuple(map(str, range(120))))


def draws(dataset, augmentation, image_size=(48, 80), epochs=30, **options):
    batches = dataset.batches(
        len(dataset), image_size, augment=augmentation, epochs=epochs, shuffle=False, **options
    )
    images, targets = zip(*batches, strict=True)
    masks = np.concatenate([t["segmentation_masks"][..., 0] for t in targets])
    return np.concatenate(images), masks.astype("int64")


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("focus", [0.0, 0.5])
def test_labels_lie_on_their_pixels(ramps, resize, focus):
    """Half-pixel bilinear and nearest: a ramp and its label differ by at most half a step."""
    augmentation = SegmentationAugmentation(photometric=0, vertical_flip=True, focus=focus)
    images, masks = draws(ramps, augmentation, resize=resize)
    shown = masks != 255
    assert 0.5 < shown.mean() < 0.99
    difference = np.abs(images[..., 0] - masks)[shown]
    assert difference.max() <= 0.5 + 1e-3
    # upscaled by half or more, most pixels are blends: the bound is met, not loosely held
    assert difference.max() > 0.45


def test_padding_is_mean_colour_and_ignored(ramps):
    images, masks = draws(ramps, SegmentationAugmentation(photometric=0))
    padded = (images == np.float32(MEAN_FILL)).all(-1)
    np.testing.assert_array_equal(padded, masks == 255)
    assert padded.any()


def test_colours_are_distorted_where_asked_for(ramps):
    images, masks = draws(ramps, SegmentationAugmentation(scale=(1, 1), flip=False))
    plain, same = draws(ramps, False)
    np.testing.assert_array_equal(masks, same)
    assert 1 < np.abs(images - plain).mean() < 60


def window(augmentation, number, size=SIZE, image_size=(48, 80), resize="stretch", labels=None):
    labels = np.zeros(size, "uint8") if labels is None else labels
    head = {
        "size": tf.constant(size),
        "boxes": tf.constant([[0.0, 0.0, 2.0, 2.0]]),
        "segmentation_masks": tf.constant(labels[..., None]),
    }
    return augmentation.window(tf.constant([7, number]), head, image_size, resize)


@pytest.mark.parametrize(
    ("relative_to", "resize", "at_one"),
    [
        ("input", "stretch", SIZE),
        ("input", "letterbox", (90, 150)),  # 48 x 80 shows 90 rows, and 150 columns
        ("image", "stretch", (48, 80)),
        ((96, 160), "stretch", (45, 60)),  # half of what that input shows, in both directions
        ((96, 240), "letterbox", (45, 75)),
    ],
)
def test_scales_and_places_of_the_window(relative_to, resize, at_one):
    augmentation = SegmentationAugmentation(scale=(0.5, 2), relative_to=relative_to)
    windows = np.array([window(augmentation, n, resize=resize)[0] for n in range(150)])
    scales = at_one / windows[:, 2:]
    np.testing.assert_allclose(scales[:, 0], scales[:, 1], rtol=0.04)
    assert scales.min() >= 0.49 and scales.max() <= 2.05
    assert scales.min() < 0.6 and scales.max() > 1.8
    for axis in (0, 1):
        room = np.array(SIZE)[axis] - windows[:, 2 + axis]
        low, high = np.minimum(room, 0), np.maximum(room, 0)
        assert (windows[:, axis] >= low).all() and (windows[:, axis] <= high).all()
        share = ((windows[:, axis] - low) / np.maximum(high - low, 1))[high - low > 5]
        assert share.min() < 0.1 and share.max() > 0.9 and 0.4 < share.mean() < 0.6


def test_boxes_with_their_centre_outside_are_dropped():
    augmentation = SegmentationAugmentation(scale=(2, 2))
    kept = []
    for number in range(20):
        (top, left, _, _), keep = (part.numpy() for part in window(augmentation, number))
        assert keep.tolist() == [top < 1 and left < 1]
        kept += keep.tolist()
    assert True in kept or not all(kept)


def rare_labels():
    labels = np.zeros(SIZE, "uint8")
    labels[80:82, 110:113] = 5
    labels[3, 3] = 9
    labels[:, :2] = 255
    return labels


@pytest.mark.parametrize(
    ("focus", "focus_labels", "low", "high"),
    [(0.0, None, 0, 0.2), (1.0, None, 0.25, 0.6), (1.0, (5,), 1, 1), (0.5, (5, 77), 0.4, 0.75)],
)
def test_focus_shows_rare_classes(focus, focus_labels, low, high):
    labels = rare_labels()
    augmentation = SegmentationAugmentation((2, 3), focus=focus, focus_labels=focus_labels)
    seen = []
    for number in range(80):
        top, left, height, width = window(augmentation, number, labels=labels)[0].numpy()
        assert 0 <= top <= 90 - height and 0 <= left <= 120 - width
        seen.append(5 in labels[top : top + height, left : left + width])
    assert low <= np.mean(seen) <= high


def test_focus_on_classes_that_are_not_there_is_none():
    labels = rare_labels()
    for number in range(5):
        plain = window(SegmentationAugmentation((2, 3)), number, labels=labels)[0]
        focused = SegmentationAugmentation((2, 3), focus=1.0, focus_labels=(77,))
        np.testing.assert_array_equal(window(focused, number, labels=labels)[0], plain)


def test_focus_needs_label_maps():
    with pytest.raises(ValueError, match="`focus` must be 0 without label maps"):
        data.shapes(2, 32).batches(1, 32, augment=SegmentationAugmentation(focus=0.5))


def test_true_picks_what_suits_the_fields(ramps):
    expected = draws(ramps, SegmentationAugmentation(), epochs=1)
    for found, wanted in zip(draws(ramps, True, epochs=1), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    fields = ("bounding_boxes", "segmentation_masks")
    ssd = data.shapes(2, 32).batches(2, 32, augment=True, fields=fields, epochs=1)
    same = data.shapes(2, 32).batches(
        2, 32, augment=data.SSDAugmentation(), fields=fields, epochs=1
    )
    np.testing.assert_array_equal(next(iter(ssd))[0], next(iter(same))[0])


def test_epochs_differ_and_seeds_repeat(ramps):
    first, again = (draws(ramps, True, epochs=2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0][:2] != first[0][2:]).any()
    assert (draws(ramps, True, epochs=2, seed=4)[0] != first[0]).any()


def test_own_augmentation_gets_the_label_map(ramps):
    def upside_down(sample, seed):
        flipped = {key: tf.reverse(sample[key], [0]) for key in ("images", "segmentation_masks")}
        return {**sample, **flipped}

    images, masks = draws(ramps, upside_down, SIZE, epochs=1)
    plain_images, plain_masks = draws(ramps, False, SIZE, epochs=1)
    np.testing.assert_array_equal(images, plain_images[:, ::-1])
    np.testing.assert_array_equal(masks, plain_masks[:, ::-1])


def test_configuration_survives_json():
    augmentation = SegmentationAugmentation((0.9, 2.1), (96, 160), 0.3, (2, 6), vertical_flip=True)
    config = json.loads(json.dumps(augmentation.get_config()))
    assert SegmentationAugmentation(**config) == augmentation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": (2, 1)}, "`scale` must be two numbers, 0 < low <= high. Received: scale="),
        ({"scale": 2.0}, "`scale` must be two numbers"),
        ({"relative_to": "net"}, "`relative_to` must be one of .*Received: relative_to='net'"),
        ({"relative_to": (0, 5)}, r"`relative_to` must be .* or a size. Received: .*\(0, 5\)"),
        ({"focus": 2}, "`focus` must be a number from 0 to 1"),
        ({"focus_labels": ()}, "`focus_labels` must be None or labels from 0 to 254"),
        ({"focus_labels": (255,)}, "`focus_labels` must be None or labels from 0 to 254"),
        ({"photometric": -1}, "`photometric` must be a number from 0 to 1"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SegmentationAugmentation(**arguments)
