"""SSD's augmentation against brute force and against its own rules."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_struct.data import SSDAugmentation
from keras_struct.data.augmentation import centres_inside, overlaps_of
from keras_struct.data.distortion import colour_map

SIZE = (120, 160)


def random_boxes(seed, count, size=SIZE):
    corners = np.random.default_rng(seed).random((count, 2, 2)) * (size[1], size[0])
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1).astype("float32")
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 4)
    return boxes


def choose(augmentation, boxes, number, size=SIZE):
    boxes = tf.reshape(tf.constant(boxes, tf.float32), (-1, 4))
    return augmentation.choose_window(tf.stack([3, number]), tf.constant(size), boxes)


def draw_windows(augmentation, boxes, count):
    run = tf.function(
        lambda number: choose(augmentation, boxes, number),
        input_signature=[tf.TensorSpec((), tf.int32)],
    )
    return [tuple(value.numpy() for value in run(number)) for number in range(count)]


def overlap(window, box):
    """IoU of a (y, x, height, width) window and an xyxy box by counting areas."""
    y, x, height, width = window
    shared = max(0, min(x + width, box[2]) - max(x, box[0])) * max(
        0, min(y + height, box[3]) - max(y, box[1])
    )
    return shared / (height * width + (box[2] - box[0]) * (box[3] - box[1]) - shared)


def centre_in(window, box):
    y, x, height, width = window
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return x < cx < x + width and y < cy < y + height


def test_overlaps_and_centres_match_loops():
    boxes = random_boxes(0, 9)
    random = np.random.default_rng(1)
    windows = random.integers((-20, -30, 5, 5), (80, 90, 90, 120), (12, 4)).astype("int32")
    overlaps, inside = overlaps_of(windows, boxes).numpy(), centres_inside(windows, boxes).numpy()
    for t, n in np.ndindex(12, 9):
        assert overlaps[t, n] == pytest.approx(overlap(windows[t], boxes[n]), abs=1e-5)
        assert inside[t, n] == centre_in(windows[t], boxes[n])


def test_patches_obey_their_rules():
    """Without expanding: inside the image, large enough, aspect within 1/2 and 2, an object."""
    boxes = random_boxes(2, 5)
    windows = draw_windows(SSDAugmentation(expand=1, min_scale=0.3), boxes, 150)
    whole = 0
    for window, kept in windows:
        y, x, height, width = window
        whole += (height, width) == SIZE
        assert 0 <= y <= y + height <= SIZE[0] and 0 <= x <= x + width <= SIZE[1]
        share = (height / SIZE[0], width / SIZE[1])
        assert np.sqrt(share[0] * share[1]) > 0.3 - 0.02
        assert 0.45 < share[1] / share[0] < 2.2
        assert kept.any() and kept.tolist() == [centre_in(window, box) for box in boxes]
    assert 150 / 7 * 0.4 < whole < 150 / 2


def test_the_overlap_asked_for_is_reached(monkeypatch):
    """With one option only, every patch that is not the whole image reaches its IoU."""
    boxes = random_boxes(4, 4)
    for least in (0.3, 0.7):
        monkeypatch.setattr("keras_struct.data.augmentation.MIN_OVERLAPS", (least,))
        windows = draw_windows(SSDAugmentation(expand=1), boxes, 60)
        patches = [w for w in windows if (w[0][2], w[0][3]) != SIZE]
        assert patches
        for window, kept in patches:
            assert max(overlap(window, box) for box in boxes[kept]) >= least - 1e-5


def test_options_that_cannot_succeed_are_not_drawn(monkeypatch):
    # a box of 4x4 pixels never reaches an IoU of 0.9 with a patch of at least 0.3 * 120 pixels
    monkeypatch.setattr("keras_struct.data.augmentation.MIN_OVERLAPS", (0.9,))
    for window, kept in draw_windows(SSDAugmentation(expand=1), [[50, 50, 54, 54]], 30):
        assert window.tolist() == [0, 0, *SIZE] and kept.tolist() == [True]


def test_expanding_shows_the_whole_image_in_a_canvas_up_to_four_times_as_large():
    augmentation = SSDAugmentation(expand=4, min_scale=1)
    windows = [window for window, _ in draw_windows(augmentation, [[10, 10, 60, 60]], 200)]
    ratios = np.array([window[2] / SIZE[0] for window in windows])
    expanded = ratios > 1
    assert 70 < expanded.sum() < 130 and ratios.max() > 3.5 and ratios.max() <= 4
    for y, x, height, width in windows:
        assert y <= 0 and x <= 0 and y + height >= SIZE[0] and x + width >= SIZE[1]
        assert height / SIZE[0] == pytest.approx(width / SIZE[1], abs=0.02)


def test_images_without_objects_are_shown_whole():
    for window, kept in draw_windows(SSDAugmentation(expand=1), np.zeros((0, 4)), 10):
        assert window.tolist() == [0, 0, *SIZE] and kept.shape == (0,)


def test_tiny_images_do_not_break_it():
    for number in range(20):
        window, _ = choose(SSDAugmentation(), [[0, 0, 1, 1]], number, (1, 2))
        assert window.numpy()[2:].min() >= 1


def test_mirrors_half_of_the_images_and_only_as_asked():
    seeds = [tf.constant([0, number]) for number in range(400)]
    for augmentation, vertical, horizontal in [
        (SSDAugmentation(), False, True),
        (SSDAugmentation(flip=False, vertical_flip=True), True, False),
    ]:
        flips = np.array([augmentation.choose_flip(seed) for seed in seeds]).mean(0)
        assert (flips[0] > 0, flips[1] > 0) == (vertical, horizontal)
        assert 0.42 < flips.max() < 0.58


def test_colours_stay_grey_and_in_range():
    """Hue and saturation leave grey alone; contrast and brightness move it by a known amount."""
    grey = np.full((1, 1, 3), 100, "float32")
    values = []
    for number in range(100):
        out = SSDAugmentation().distort(tf.constant([1, number]), tf.constant(grey)).numpy().ravel()
        np.testing.assert_allclose(out, out[0], atol=1e-2)
        values.append(out[0])
    # (100 +- 32) * (0.5 to 1.5)
    assert 34 <= min(values) < 70 and 130 < max(values) <= 198
    wild = tf.constant(np.random.default_rng(0).random((8, 8, 3)) * 255, tf.float32)
    for number in range(20):
        out = SSDAugmentation().distort(tf.constant([2, number]), wild).numpy()
        assert out.min() >= 0 and out.max() <= 255


def test_colour_map_turns_the_hue_by_at_most_18_degrees():
    red = np.float32([200, 0, 0])
    hues = []
    for number in range(200):
        matrix, offset = colour_map(tf.constant([5, number]), 1.0)
        r, g, b = matrix.numpy() @ red + offset.numpy()
        hues.append(np.degrees(np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b)))
    # the hexagon hue of a turn in YIQ differs a little from the turn itself
    assert 10 < max(hues) < 26 and -26 < min(hues) < -10
    assert 0.3 < np.mean(np.abs(hues) < 0.01) < 0.7


def test_strength_zero_changes_nothing():
    pixels = tf.constant([[[1.0, 2, 3]]])
    assert SSDAugmentation(photometric=0).distort(tf.constant([0, 0]), pixels) is pixels
    matrix, offset = colour_map(tf.constant([0, 1]), 0.0)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-5)
    np.testing.assert_array_equal(offset, 0)


def test_configuration_survives_json():
    augmentation = SSDAugmentation(expand=2, photometric=0.5, vertical_flip=True)
    config = json.loads(json.dumps(augmentation.get_config()))
    assert SSDAugmentation(**config) == augmentation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"expand": 0.5}, "`expand` must be a number of at least 1. Received: expand=0.5"),
        ({"min_scale": 0}, "`min_scale` must be a number above 0 and up to 1. Received"),
        ({"photometric": 2}, "`photometric` must be a number from 0 to 1. Received"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SSDAugmentation(**arguments)
