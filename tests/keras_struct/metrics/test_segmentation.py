"""Segmentation metrics against loops, against Keras, and against hand-made label maps."""

import itertools
import time

import keras
import numpy as np
import pytest

from keras_struct.metrics import SegmentationMetrics
from keras_struct.metrics.boundaries import (
    boundary_pixels,
    dilate,
    fill_ignored,
    match_boundaries,
)

NAMES = ("road", "tree", "car", "sky")


def random_maps(seed, size=(13, 17), num_classes=4, ignored=0.1, blocks=3):
    """Blocky maps, of which the prediction is the truth with some blocks changed."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, num_classes, (size[0] // blocks + 1, size[1] // blocks + 1))
    changed = np.where(random.random(coarse.shape) < 0.3, random.integers(0, num_classes), coarse)
    truth, predicted = (
        np.kron(grid, np.ones((blocks, blocks), int))[: size[0], : size[1]]
        for grid in (coarse, changed)
    )
    truth = np.where(random.random(size) < ignored, 255, truth)
    return truth.astype("uint8"), np.roll(predicted, 1, 1)


def collected(pairs, **options):
    metrics = SegmentationMetrics(NAMES, **options)
    for truth, predicted in pairs:
        metrics.update(truth, predicted)
    return metrics


def numbers_by_loops(pairs, num_classes=4):
    """All numbers but those of boundaries, one pixel at a time, from their definitions."""
    pixels = [
        (t, p)
        for truth, predicted in pairs
        for t, p in zip(truth.ravel(), predicted.ravel(), strict=True)
        if t != 255
    ]
    ious, accuracies, weighted = {}, {}, 0.0
    for c in range(num_classes):
        both = sum(t == c and p == c for t, p in pixels)
        either = sum(t == c or p == c for t, p in pixels)
        true = sum(t == c for t, _ in pixels)
        if either:
            ious[c] = both / either
            weighted += true * both / either
        if true:
            accuracies[c] = both / true
    return (
        {
            "mIoU": np.mean(list(ious.values())),
            "fwIoU": weighted / len(pixels),
            "pixel_accuracy": sum(t == p for t, p in pixels) / len(pixels),
            "mean_accuracy": np.mean(list(accuracies.values())),
        },
        ious,
        accuracies,
    )


@pytest.mark.parametrize("seed", range(4))
def test_numbers_equal_loops_over_pixels(seed):
    pairs = [random_maps(10 * seed + k, num_classes=3 + seed % 2) for k in range(3)]
    result = collected(pairs).result()
    expected, ious, accuracies = numbers_by_loops(pairs)
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=1e-12), name
    for c, name in enumerate(NAMES):
        assert result["per_class"][name]["IoU"] == pytest.approx(ious.get(c, -1.0))
        assert result["per_class"][name]["accuracy"] == pytest.approx(accuracies.get(c, -1.0))


def test_mean_iou_is_that_of_keras():
    reference = keras.metrics.MeanIoU(4, ignore_class=255)
    pairs = [random_maps(seed) for seed in range(5)]
    for truth, predicted in pairs:
        reference.update_state(truth.astype("int32"), predicted)
    assert collected(pairs).result()["mIoU"] == pytest.approx(float(reference.result()), abs=1e-6)


def test_iou_is_of_the_data_set_not_a_mean_over_images():
    small, large = np.zeros((1, 2), int), np.zeros((1, 8), int)
    wrong = np.ones((1, 2), int)
    result = collected([(small, wrong), (large, large)]).result()
    assert result["per_class"]["road"]["IoU"] == 0.8
    assert result["mIoU"] == 0.4  # tree was predicted and is not there: 0; car and sky: left out
    assert result["mean_accuracy"] == 0.8 and result["fwIoU"] == 0.8


def test_what_cannot_be_measured_is_minus_one_and_left_out():
    truth = np.array([[0, 0, 1, 1]])
    result = collected([(truth, truth)]).result()
    assert result["per_class"]["car"] == {"IoU": -1.0, "accuracy": -1.0, "boundary_F": -1.0}
    assert [v for k, v in result.items() if k != "per_class"] == [1.0] * 5
    flat = np.zeros((3, 3), int)
    assert collected([(flat, flat)]).result()["boundary_F"] == -1.0


def near(points, other, radius):
    return [any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in other) for y, x in points]


def edges_of(labels, c):
    """Pixels of class c with another class left, right, above or below, one at a time."""
    found = []
    for y, x in zip(*np.nonzero(labels == c), strict=True):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]
            if inside and labels[v, u] not in (c, 255):
                found.append((y, x))
                break
    return found


def boundary_by_loops(pairs, radius, num_classes=4):
    scores = {c: [] for c in range(num_classes)}
    for (truth, predicted), c in itertools.product(pairs, range(num_classes)):
        true, guessed = edges_of(truth, c), edges_of(predicted, c)
        if not true and not guessed:
            continue
        precision = np.mean(near(guessed, true, radius)) if guessed else 0.0
        recall = np.mean(near(true, guessed, radius)) if true else 0.0
        total = precision + recall
        scores[c].append(2 * precision * recall / total if total else 0.0)
    return {c: np.mean(values) for c, values in scores.items() if values}


@pytest.mark.parametrize("radius", [0, 1, 1.5, 2.3, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_boundary_f_equals_loops_over_pixels(seed, radius):
    pairs = [random_maps(10 * seed + k, ignored=0) for k in range(3)]
    result = collected(pairs, boundary_tolerance=radius).result()
    expected = boundary_by_loops(pairs, radius)
    assert result["boundary_F"] == pytest.approx(np.mean(list(expected.values())))
    for c, name in enumerate(NAMES):
        assert result["per_class"][name]["boundary_F"] == pytest.approx(expected.get(c, -1.0))


@pytest.mark.parametrize("seed", [3, 4])
def test_boundary_f_with_ignored_pixels_equals_loops(seed):
    pairs = [random_maps(10 * seed + k, ignored=0.5) for k in range(3)]
    for truth, _ in pairs:
        truth[:6, :6] = 255  # more than the tolerance reaches
    result = collected(pairs, boundary_tolerance=1.5).result()
    filled = [(fill_ignored(truth, 2), predicted) for truth, predicted in pairs]
    assert (filled[0][0] == 255).any()
    shown = [(truth, np.where(truth == 255, 255, guess)) for truth, guess in filled]
    expected = boundary_by_loops(shown, 1.5)
    assert result["boundary_F"] == pytest.approx(np.mean(list(expected.values())))


def test_the_tolerance_is_a_share_of_the_diagonal():
    """300 x 400: 3.75 pixels, so a boundary moved by 3 is met and one moved by 4 is not."""
    truth = np.zeros((300, 400), "uint8")
    truth[:, 200:] = 1
    for moved, expected in ((3, 1.0), (4, 0.0)):
        metrics = SegmentationMetrics(NAMES)
        metrics.update(truth, np.roll(truth, moved, 1)[:, :400] * (np.arange(400) >= moved))
        assert metrics.result()["boundary_F"] == expected


def test_an_unlabelled_outline_has_its_boundary_in_the_middle():
    truth = np.array([[0, 0, 0, 255, 255, 255, 255, 1, 1, 1]] * 3, "uint8")
    assert fill_ignored(truth, 2)[0].tolist() == [0] * 5 + [1] * 5
    assert fill_ignored(truth, 1)[0].tolist() == [0] * 4 + [255] * 2 + [1] * 4
    for moved, expected in ((0, 1.0), (1, 1.0), (2, 0.0)):
        predicted = np.array([[0] * (5 + moved) + [1] * (5 - moved)] * 3)
        result = collected([(truth, predicted)], boundary_tolerance=1.5).result()
        assert result["boundary_F"] == expected
    assert not boundary_pixels(np.array([[0, 255, 1]])).any()


def test_filling_takes_the_nearest_label():
    random = np.random.default_rng(0)
    labels = np.where(random.random((12, 15)) < 0.8, 255, random.integers(0, 5, (12, 15)))
    filled = fill_ignored(labels.astype("uint8"), 3)
    known = np.argwhere(labels != 255)
    for y, x in np.ndindex(labels.shape):
        steps = np.abs(known - (y, x)).sum(1)
        nearest = {labels[tuple(point)] for point in known[steps == steps.min()]}
        if steps.min() <= 3:
            assert filled[y, x] in nearest
        else:
            assert filled[y, x] == 255


@pytest.mark.parametrize("radius", [0, 1, 1.42, 2, 2.25, 5, 40])
def test_dilation_is_a_disk(radius):
    values = np.random.default_rng(1).random((11, 16)) < 0.04
    expected = np.zeros_like(values)
    for y, x in np.argwhere(values):
        rows, columns = np.indices(values.shape)
        expected |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    np.testing.assert_array_equal(dilate(values, radius), expected)


@pytest.mark.parametrize("num_classes", [7, 64, 65, 200])
def test_many_classes_do_not_mix(num_classes):
    """Against one class at a time; from 65 on a second integer is needed."""
    random = np.random.default_rng(num_classes)
    labels, others = random.integers(0, num_classes, (2, 20, 20))
    labels[:, :3] = others[:, :3] = num_classes - 1
    pixels, matched = match_boundaries(labels, others, 2.0, num_classes)
    for c in range(num_classes):
        mine, theirs = edges_of(labels, c), edges_of(others, c)
        assert pixels[c] == len(mine) and matched[c] == sum(near(mine, theirs, 2.0))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_trimap_counts_the_band_around_true_boundaries(width):
    pairs = [random_maps(seed, blocks=6) for seed in range(3)]
    result = collected(pairs, boundary_tolerance=0, trimap_width=width).result()
    banded = []
    for truth, predicted in pairs:
        edges = [point for c in range(4) for point in edges_of(truth, c)]
        points = list(np.ndindex(truth.shape))
        inside = np.reshape(near(points, edges, width - 1), truth.shape)
        banded.append((np.where(inside, truth, 255), predicted))
    expected, _, _ = numbers_by_loops(banded)
    assert result["trimap_accuracy"] == pytest.approx(expected["pixel_accuracy"])
    assert result["trimap_mIoU"] == pytest.approx(expected["mIoU"])


def test_trimap_without_a_boundary_is_minus_one():
    flat = np.zeros((3, 3), int)
    result = collected([(flat, flat)], trimap_width=2).result()
    assert result["trimap_accuracy"] == -1.0 and result["trimap_mIoU"] == -1.0
    assert "trimap_mIoU" not in collected([(flat, flat)]).result()


def test_reset_forgets_and_len_counts():
    metrics = collected([random_maps(0), random_maps(1)], trimap_width=1)
    assert len(metrics) == 2
    metrics.reset()
    assert len(metrics) == 0 and metrics.confusion.sum() == 0
    metrics.update(*random_maps(2))
    assert metrics.result() == collected([random_maps(2)], trimap_width=1).result()


def test_nothing_counted_is_an_error():
    metrics = SegmentationMetrics(NAMES)
    with pytest.raises(ValueError, match="pixels that are not ignored. Received: 0 images"):
        metrics.result()
    metrics.update(np.full((4, 4), 255, "uint8"), np.zeros((4, 4), int))
    with pytest.raises(ValueError, match="Received: 1 images, 0 pixels"):
        metrics.result()


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), r"one shape .* \(2, 3\) and \(3, 2\)"),
        (np.zeros((2, 3, 1), int), np.zeros((2, 3, 1), int), r"must have one shape \(H, W\)"),
        (np.zeros((0, 3), int), np.zeros((0, 3), int), r"must have one shape \(H, W\)"),
        ([[0, 4, 255]], [[0, 0, 0]], r"`truth` must hold labels from 0 to 3 or 255, .*: \[4\]"),
        ([[0, 1, 255]], [[0, 0, 255]], r"`predicted` must hold labels from 0 to 3. .*: \[255\]"),
        ([[0, 1, -1]], [[0, 0, 0]], r"`truth` must hold labels .*Received: \[-1\]"),
        ([[0, 1]], [[0.0, 1.0]], "`predicted` must hold whole numbers. Received: dtype float64"),
    ],
)
def test_label_maps_that_do_not_fit_are_refused(truth, predicted, message):
    metrics = SegmentationMetrics(NAMES)
    with pytest.raises(ValueError, match=message):
        metrics.update(truth, predicted)
    assert len(metrics) == 0 and metrics.confusion.sum() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_names": ()}, "`class_names` must be 1 to 255 different names"),
        ({"class_names": "ab"}, "`class_names` must be 1 to 255 different names"),
        ({"class_names": ("a", "a")}, "`class_names` must be 1 to 255 different names"),
        ({"boundary_tolerance": -1}, "`boundary_tolerance` must be a number of pixels"),
        ({"trimap_width": 0}, "`trimap_width` must be a whole number of pixels of at least 1"),
        ({"trimap_width": 1.5}, "`trimap_width` must be a whole number of pixels of at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SegmentationMetrics(**{"class_names": NAMES, **arguments})


def test_fifty_images_a_second():
    """240 x 180 with 11 classes; measured 140 a second on one of two busy cores."""
    names = tuple(map(str, range(11)))
    pairs = [random_maps(seed, (180, 240), 11, 0.05, 12) for seed in range(3)]
    metrics, best = SegmentationMetrics(names), 9.0
    for truth, predicted in pairs * 3:
        start = time.process_time()
        metrics.update(truth, predicted)
        best = min(best, time.process_time() - start)
    assert best < 1 / 50
