"""Geometry of crop, scale, letterbox and mirror against plain arithmetic."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_struct.data import resize, to_network, to_original
from keras_struct.data.flipping import flip_keypoints, flip_partners

SIZES = [(375, 500), (500, 375), (32, 32), (7, 1000), (321, 320)]


def bilinear(pixels, height, width):
    """Half-pixel bilinear resize, one output pixel at a time."""
    out = np.zeros((height, width, pixels.shape[2]), "float64")
    for axis_out in np.ndindex(height, width):
        y = np.clip((axis_out[0] + 0.5) * pixels.shape[0] / height - 0.5, 0, pixels.shape[0] - 1)
        x = np.clip((axis_out[1] + 0.5) * pixels.shape[1] / width - 0.5, 0, pixels.shape[1] - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, pixels.shape[0] - 1), min(left + 1, pixels.shape[1] - 1)
        v, u = y - top, x - left
        out[axis_out] = (1 - v) * ((1 - u) * pixels[top, left] + u * pixels[top, right]) + v * (
            (1 - u) * pixels[bottom, left] + u * pixels[bottom, right]
        )
    return out


def show(pixels, image_size, mode, window=None, flip=None, fill=0.0, pad=114.0):
    """What the pipeline does to an image; returns (network input, geometry)."""
    size = tf.constant(pixels.shape[:2], tf.int32)
    if window is None:
        geometry = resize.full_geometry(size, image_size, mode)
    else:
        flip = None if flip is None else tf.constant(flip)
        geometry = resize.window_geometry(tf.constant(window), size, image_size, mode, flip)
    top, left, height, width = geometry.region.numpy()
    placed = resize.place(tf.constant(pixels[top : top + height, left : left + width]), geometry)
    fill, pad = (fill,) * pixels.shape[2], (pad,) * pixels.shape[2]
    return resize.surround(placed, geometry, image_size, fill, pad).numpy(), geometry


@pytest.mark.parametrize("size", [(9, 13), (24, 17), (40, 5)])
def test_stretch_is_half_pixel_bilinear(size):
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), "uint8")
    shown, _ = show(pixels, 16, "stretch")
    np.testing.assert_allclose(shown, bilinear(pixels, 16, 16), atol=1e-3)


@pytest.mark.parametrize(("size", "content"), [((9, 18), (8, 16)), ((40, 5), (16, 2))])
def test_letterbox_sits_top_left_and_fills_with_114(size, content):
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), "uint8")
    shown, _ = show(pixels, 16, "letterbox")
    height, width = content
    np.testing.assert_allclose(shown[:height, :width], bilinear(pixels, height, width), atol=1e-3)
    assert (shown[height:] == 114).all() and (shown[:, width:] == 114).all()


def test_pixels_agree_with_pillow_to_one_grey_level():
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), "uint8")
    pixels = np.asarray(Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC))
    pillow = Image.fromarray(pixels).transform(
        (320, 320), Image.Transform.EXTENT, (0, 0, 500, 375), Image.Resampling.BILINEAR
    )
    assert np.abs(show(pixels, 320, "stretch")[0] - np.asarray(pillow, "float32")).max() <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("image_size", [1, 300, 320, 513, (192, 256), (300, 64)])
def test_letterbox_size_is_the_same_in_numpy_and_in_the_graph(size, image_size):
    height, width = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    scale = min(height / size[0], width / size[1])
    expected = tuple(max(1, int(side * scale + 0.5)) for side in size)
    assert resize.content_size(*size, image_size, "letterbox") == expected
    tensor = resize.content_tensor(tf.constant(size, tf.int32), image_size, "letterbox")
    assert tuple(tensor.numpy()) == expected


@pytest.mark.parametrize("mode", resize.RESIZE_MODES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("image_size", [320, (192, 256)])
def test_boxes_go_to_the_network_and_back(mode, size, image_size):
    height, width = size
    corners = np.random.default_rng(1).random((20, 2, 2)) * (width, height)
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1).astype("float32")
    there = to_network(boxes, size, image_size, mode)
    np.testing.assert_allclose(to_original(there, size, image_size, mode), boxes, atol=1e-3)
    geometry = resize.full_geometry(tf.constant(size, tf.int32), image_size, mode)
    np.testing.assert_allclose(resize.map_boxes(tf.constant(boxes), geometry), there, atol=1e-3)


def test_detections_are_clipped_to_the_original():
    back = to_original([[-5, 10, 400, 330]], (200, 100), 320, "stretch")
    np.testing.assert_allclose(back, [[0, 6.25, 100, 200]])


@pytest.mark.parametrize("image_size", [96, (64, 112)])
@pytest.mark.parametrize("mode", resize.RESIZE_MODES)
@pytest.mark.parametrize("flip", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize(
    "window", [(0, 0, 48, 64), (16, 32, 24, 32), (-20, -30, 90, 120), (30, 40, 40, 48)]
)
def test_boxes_follow_a_bright_rectangle(mode, flip, window, image_size):
    """Where the picture shows the rectangle, there is its box."""
    pixels = np.zeros((48, 64, 1), "uint8")
    pixels[32:40, 44:60] = 255
    shown, geometry = show(pixels, image_size, mode, window, flip, pad=0.0)
    box = resize.map_boxes(tf.constant([[44.0, 32, 60, 40]]), geometry).numpy()[0]
    bright = shown[..., 0] > 127
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(box, edges, atol=1.0)


def test_what_the_image_does_not_cover_is_filled():
    pixels = np.full((10, 10, 3), 200, "uint8")
    shown, _ = show(pixels, 40, "stretch", (-10, -20, 40, 40), fill=7.0)
    np.testing.assert_array_equal(shown[10:20, 20:30], 200)
    assert (shown == 7).sum() == 3 * (1600 - 100)


def test_letterbox_and_fill_together():
    pixels = np.full((10, 10, 3), 200, "uint8")
    shown, _ = show(pixels, 40, "letterbox", (0, 0, 10, 20), fill=7.0)
    assert (shown[:20, :20] == 200).all() and (shown[:20, 20:] == 7).all()
    assert (shown[20:] == 114).all()


def test_a_sliver_of_image_keeps_a_pixel():
    shown, geometry = show(np.full((10, 10, 1), 200, "uint8"), 8, "stretch", (9, 9, 200, 200))
    assert geometry.target.numpy().tolist() == [0, 0, 1, 1] and shown[0, 0, 0] == 200


@pytest.mark.parametrize("sizes", [(13, 7), (7, 13), (5, 5), (9, 1)])
def test_labels_take_the_nearest_pixel(sizes):
    have, want = sizes
    labels = np.arange(have * have, dtype="int32").reshape(have, have, 1)
    geometry = resize.full_geometry(tf.constant([have, have]), want, "stretch")
    expected = tf.image.resize(labels, (want, want), "nearest")
    np.testing.assert_array_equal(resize.place(tf.constant(labels), geometry, "nearest"), expected)


@pytest.mark.parametrize("flip", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("mode", resize.RESIZE_MODES)
@pytest.mark.parametrize("window", [(0, 0, 30, 44), (-9, 7, 33, 60), (11, -5, 8, 40), (3, 4, 9, 5)])
def test_masks_of_objects_fall_as_label_maps_do(flip, mode, window):
    """One step for all objects equals `place` and `surround` for each of them."""
    masks = (np.random.default_rng(0).random((3, 30, 44)) < 0.5).astype("uint8")
    geometry = resize.window_geometry(
        tf.constant(window), tf.constant((30, 44)), (26, 34), mode, tf.constant(flip)
    )
    top, left, height, width = geometry.region.numpy()
    parts = tf.constant(masks[:, top : top + height, left : left + width, None])
    expected = [
        resize.surround(resize.place(part, geometry, "nearest"), geometry, (26, 34), 0, 0)[..., 0]
        for part in parts
    ]
    found = resize.place_masks(tf.constant(masks), geometry, (26, 34))
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.numpy().mean() < 1 and found.dtype == tf.uint8


def test_masks_of_no_object():
    geometry = resize.full_geometry(tf.constant((30, 44)), 16, "letterbox")
    masks = resize.place_masks(tf.zeros((0, 30, 44), tf.uint8), geometry, 16)
    assert masks.shape == (0, 16, 16)


def test_mirrored_keypoints_change_sides():
    names = ("nose", "left_eye", "right_eye", "top")
    assert flip_partners(names, 1) == [0, 2, 1, 3] and flip_partners(names, 0) == [0, 1, 2, 3]
    geometry = resize.window_geometry(
        tf.constant([0, 0, 10, 10]),
        tf.constant([10, 10]),
        20,
        "stretch",
        tf.constant([False, True]),
    )
    points = tf.constant([[[5.0, 1, 2], [2, 3, 2], [8, 3, 1], [30, 1, 2]]])
    # left_eye, seen at x = 8, is the former right eye at x = 8: 20 - 2 * 8 = 4
    expected = [[[10, 2, 2], [4, 6, 1], [16, 6, 2], [0, 0, 0]]]
    np.testing.assert_allclose(flip_keypoints(points, geometry, names), expected)


def test_unknown_modes_and_sizes_are_refused():
    with pytest.raises(ValueError, match=r"`resize` must be one of .*'crop'"):
        to_network([[0, 0, 1, 1]], (2, 2), 320, "crop")
    for value in (0, -1, 1.5, True, (1, 2, 3), (32, 0)):
        with pytest.raises(ValueError, match=r"`image_size` must be a whole number of pixels"):
            to_network([[0, 0, 1, 1]], (2, 2), value, "stretch")
