"""Preprocessing: the pixels of tf.image.resize, and boxes back to the photo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_struct_edge.preprocessing import (
    boxes_to_original,
    labels_to_original,
    placed_size,
    preprocess,
    resize,
    scores_to_original,
)

SIZES = [
    ((480, 640), (320, 320)),
    ((1080, 1920), (320, 320)),
    ((37, 53), (64, 96)),  # up, odd
    ((101, 77), (33, 29)),  # down, odd
    ((200, 31), (64, 64)),  # down and up
    ((1, 1), (5, 7)),
    ((2, 3), (1, 1)),
    ((64, 64), (64, 64)),  # no change
    ((100, 130), (100, 65)),
    ((3, 400), (70, 20)),
]


def spec(resize="stretch", height=32, width=32, pad_value=114):
    return {"height": height, "width": width, "resize": resize, "pad_value": pad_value}


def random_image(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_equals_tensorflow(shape, size):
    tf = pytest.importorskip("tensorflow")
    image = random_image(shape)
    expected = tf.image.resize(image, size, method="bilinear", antialias=False).numpy()
    # the contract asks for one grey level; measured 1.3e-3 (float32 rounding of positions)
    np.testing.assert_allclose(resize(image, *size), expected, atol=4e-3)


def test_takes_any_memory_layout():
    image = random_image((60, 80))
    turned = np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_array_equal(resize(turned, 32, 32), resize(image, 32, 32))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 80), st.integers(1, 40))
def test_equals_a_loop_over_pixels(rows, columns, height, width):
    image = random_image((rows, columns))
    result = resize(image, height, width)
    assert result.shape == (height, width, 3) and result.dtype == np.float32
    rng = np.random.default_rng(rows)
    for y, x in zip(rng.integers(0, height, 5), rng.integers(0, width, 5), strict=True):
        source_y = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
        source_x = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
        top, left = int(source_y), int(source_x)
        bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
        down, across = source_y - top, source_x - left
        expected = (1 - down) * ((1 - across) * image[top, left] + across * image[top, right])
        expected += down * ((1 - across) * image[bottom, left] + across * image[bottom, right])
        np.testing.assert_allclose(result[y, x], expected, atol=0.01)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_a_flat_image_stays_flat(resize):
    image = np.full((50, 70, 3), 77, np.uint8)
    batch = preprocess(image, spec(resize, pad_value=77))
    assert batch.shape == (1, 32, 32, 3) and batch.dtype == np.float32
    assert (batch == 77).all()


def test_letterbox_pastes_top_left_and_fills_the_rest():
    image = np.full((60, 120, 3), 200, np.uint8)
    batch = preprocess(image, spec("letterbox"))[0]
    assert (batch[:16] == 200).all()
    assert (batch[16:] == 114).all()


@pytest.mark.parametrize(
    ("size", "resize", "expected"),
    [
        ((480, 640), "stretch", (32, 32)),
        ((480, 640), "letterbox", (24, 32)),
        ((640, 480), "letterbox", (32, 24)),
        ((10, 1000), "letterbox", (1, 32)),  # never less than one pixel
        ((7, 9), "letterbox", (25, 32)),  # 24.9 rounds up
        ((32, 32), "letterbox", (32, 32)),
    ],
)
def test_placed_size(size, resize, expected):
    assert placed_size(*size, spec(resize)) == expected


@pytest.mark.parametrize(
    ("size", "resize", "box", "expected"),
    [
        # stretch 320 x 640 -> 32 x 32: x by 20, y by 10
        ((320, 640), "stretch", [1, 2, 3, 4], [20, 20, 60, 40]),
        # letterbox: both by 20
        ((320, 640), "letterbox", [1, 2, 3, 4], [20, 40, 60, 80]),
        # letterbox 7 x 9 -> 25 x 32: each axis by its own rounded size
        ((7, 9), "letterbox", [0, 0, 16, 12.5], [0, 0, 4.5, 3.5]),
        # clipped to the image, also what lies in the letterbox' padding
        ((320, 640), "letterbox", [-1, 10, 40, 30], [0, 200, 640, 320]),
        ((320, 640), "letterbox", [3, 20, 4, 30], [60, 320, 80, 320]),
    ],
)
def test_boxes_by_hand(size, resize, box, expected):
    mapped = boxes_to_original(np.array([box], np.float32), size, spec(resize))
    np.testing.assert_allclose(mapped, [expected], atol=1e-5)
    assert mapped.dtype == np.float32


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 99))
def test_boxes_there_and_back(resize, height, width, seed):
    rng = np.random.default_rng(seed)
    original = np.sort(rng.uniform(0, 1, (6, 2, 2)), axis=1).reshape(6, 4)
    original *= [width, height] * 2
    placed = placed_size(height, width, spec(resize))
    network = original * ([placed[1] / width, placed[0] / height] * 2)
    mapped = boxes_to_original(network.astype(np.float32), (height, width), spec(resize))
    np.testing.assert_allclose(mapped, original, atol=1e-3)


def test_no_boxes():
    assert boxes_to_original(np.zeros((0, 4), np.float32), (5, 5), spec()).shape == (0, 4)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ([[1]], TypeError, "must be a numpy array.*type list"),
        (np.zeros((4, 4, 3), np.float32), TypeError, "dtype uint8.*float32"),
        (np.zeros((4, 4), np.uint8), ValueError, r"shape \(H, W, 3\).*\(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, r"\(4, 4, 4\).*convert\('RGB'\)"),
        (np.zeros((4, 4, 1), np.uint8), ValueError, r"\(4, 4, 1\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), ValueError, r"\(1, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"at least one pixel.*\(0, 4, 3\)"),
    ],
)
def test_wrong_images_are_named(image, error, message):
    with pytest.raises(error, match=message):
        preprocess(image, spec())


def letterboxed(labels, size, height=6, width=8):
    """Put a label map into the corner that a letterboxed image of `size` takes up."""
    placed = placed_size(*size, spec("letterbox", height, width))
    assert labels.shape == placed
    full = np.full((height, width), 9)
    full[: placed[0], : placed[1]] = labels
    return full


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(1, 12))
def test_labels_go_back_to_the_pixel_under_the_centre(height, width, rows, columns):
    labels = np.arange(rows * columns).reshape(rows, columns)
    found = labels_to_original(labels, (height, width), spec("stretch", rows, columns))
    for y in range(height):
        for x in range(width):
            # in whole numbers: (y + 1/2) * rows / height, rounded down
            source = (2 * y + 1) * rows // (2 * height), (2 * x + 1) * columns // (2 * width)
            assert found[y, x] == labels[source]


def test_labels_leave_the_filling_of_a_letterbox_out():
    labels = np.arange(3 * 8).reshape(3, 8) // 4
    full = letterboxed(labels, (60, 160))
    found = labels_to_original(full, (60, 160), spec("letterbox", 6, 8))
    np.testing.assert_array_equal(found, labels.repeat(20, 0).repeat(20, 1))


def test_scores_are_blended_as_tensorflow_does():
    tf = pytest.importorskip("tensorflow")
    scores = np.random.default_rng(0).uniform(0, 1, (9, 12, 5)).astype(np.float32)
    found = scores_to_original(scores, (40, 30), spec("stretch", 9, 12))
    expected = tf.image.resize(scores, (40, 30), method="bilinear").numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    boxed = scores_to_original(scores, (30, 120), spec("letterbox", 9, 12))
    expected = tf.image.resize(scores[:3], (30, 120), method="bilinear").numpy()
    np.testing.assert_allclose(boxed, expected, atol=1e-5)
