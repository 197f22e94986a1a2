"""Elastic deformation against SciPy's sampling, and what happens to boxes and masks."""

import numpy as np
import pytest
import tensorflow as tf

from keras_struct import data
from keras_struct.data import ElasticDeformation
from keras_struct.data.elastic import boxes_around, cubic_weights, nearest_at, sample_at

SEED = tf.constant([3, 4])
NO_BOXES = {"boxes": tf.zeros((0, 4)), "labels": tf.zeros((0,), tf.int32)}


def photo(height=40, width=56):
    return np.random.default_rng(0).uniform(0, 255, (height, width, 3)).astype("float32")


def test_pixels_are_sampled_as_scipy_does():
    ndimage = pytest.importorskip("scipy.ndimage")
    image = photo()
    places = np.random.default_rng(1).uniform(-30, 80, (20, 30, 2)).astype("float32")
    found = sample_at(image, places).numpy()
    nearest = nearest_at(image, places).numpy()
    for channel in range(3):
        at = places.transpose(2, 0, 1).astype("float64")
        args = {"mode": "mirror", "prefilter": False}
        linear = ndimage.map_coordinates(image[..., channel], at, order=1, **args)
        np.testing.assert_allclose(found[..., channel], linear, atol=2e-2)
        exact = ndimage.map_coordinates(image[..., channel], at, order=0, **args)
        np.testing.assert_array_equal(nearest[..., channel], exact)


def test_cubic_weights():
    weights = cubic_weights(7, 4).numpy()
    np.testing.assert_allclose(weights[3], np.array([-1, 9, 9, -1]) / 16, atol=1e-6)
    np.testing.assert_allclose(weights[::2], np.eye(4), atol=1e-6)  # the points themselves
    np.testing.assert_allclose(cubic_weights(101, 3).numpy().sum(1), 1, atol=1e-5)
    line = cubic_weights(31, 6).numpy() @ np.arange(6.0)
    np.testing.assert_allclose(line[6:25], np.arange(6, 25) / 6, atol=1e-5)


def test_vectors_have_the_spread_asked_for_and_are_smooth():
    deformation = ElasticDeformation(sigma=4.0)
    size = tf.constant([50, 70])
    straight = np.stack(np.meshgrid(np.arange(50), np.arange(70), indexing="ij"), -1)
    corners = []
    for number in range(200):
        moved = deformation.places(tf.constant([number, 0]), size).numpy() - straight
        corners += [*moved[0, 0], *moved[-1, -1], *moved[0, -1]]
        assert np.abs(np.diff(moved, axis=0)).max() < 4  # pixels stay neighbours
    assert np.mean(corners) == pytest.approx(0, abs=0.5)
    assert np.std(corners) == pytest.approx(4.0, rel=0.1)


def test_image_and_label_map_move_together():
    labels = np.zeros((40, 56, 1), "uint8")
    labels[10:30, 15:40] = 2
    sample = {"images": np.repeat(labels, 3, -1) * np.float32(100), "segmentation_masks": labels}
    moved = ElasticDeformation(sigma=5.0)({**sample, "bounding_boxes": NO_BOXES}, SEED)
    image, mask = moved["images"].numpy()[..., 0], moved["segmentation_masks"].numpy()[..., 0]
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 2}
    assert (mask != labels[..., 0]).mean() > 0.02
    # the nearest pixel weighs most, and here all values are 0 or 200
    assert ((image > 100) == (mask > 0)).mean() > 0.98
    assert np.abs(image - 100.0 * mask).mean() < 10


def test_no_deformation_changes_nothing():
    sample = {"images": photo(), "segmentation_masks": np.uint8(photo()[..., :1])}
    same = ElasticDeformation(sigma=0.0)({**sample, "bounding_boxes": NO_BOXES}, SEED)
    np.testing.assert_allclose(same["images"], sample["images"], atol=1e-3)
    np.testing.assert_array_equal(same["segmentation_masks"], sample["segmentation_masks"])


def test_boxes_follow_masks_or_go():
    masks = np.zeros((3, 40, 56), "uint8")
    masks[0, 5:15, 10:30], masks[1, 20:35, 30:50] = 1, 1
    boxes, seen = boxes_around(masks)
    expected = [[10, 5, 30, 15], [30, 20, 50, 35], [0, 0, 0, 0]]
    np.testing.assert_array_equal(boxes, expected)
    np.testing.assert_array_equal(seen, [True, True, False])
    truth = {"boxes": boxes, "labels": tf.constant([4, 5, 6])}
    sample = {"images": photo(), "bounding_boxes": truth}
    moved = ElasticDeformation()({**sample, "instance_masks": masks}, SEED)
    again, _ = boxes_around(moved["instance_masks"])
    np.testing.assert_array_equal(moved["bounding_boxes"]["boxes"], again)
    assert not np.array_equal(again, expected)
    np.testing.assert_array_equal(moved["bounding_boxes"]["labels"], [4, 5, -1])
    dropped = ElasticDeformation()(sample, SEED)["bounding_boxes"]["labels"]
    np.testing.assert_array_equal(dropped, [-1, -1, -1])


def test_in_batches_of_a_data_set():
    dataset = data.shapes(4)
    options = {"fields": ("segmentation_masks",), "seed": 1, "epochs": 1}

    def first(**more):
        batches = dataset.batches(4, 64, shuffle=False, **options, **more)
        return [np.asarray(x) for x in (lambda b: (b[0], b[1]["segmentation_masks"]))(
            next(iter(batches)))]  # fmt: skip

    images, masks = first(augment=ElasticDeformation())
    again = first(augment=ElasticDeformation())
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(masks, again[1])
    assert not np.array_equal(masks, first()[1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"grid": 1}, "`grid` must be an integer of at least 2. Received: grid=1"),
        ({"sigma": -1.0}, "`sigma` must be a number of at least 0. Received: sigma=-1.0"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        ElasticDeformation(**options)


def test_keypoints_cannot_follow():
    sample = {"images": photo(), "bounding_boxes": NO_BOXES, "keypoints": tf.zeros((0, 4, 3))}
    with pytest.raises(ValueError, match="`fields` must leave out 'keypoints'"):
        ElasticDeformation()(sample, SEED)
