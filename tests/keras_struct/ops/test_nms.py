"""Suppression against a greedy loop in NumPy; exact equality everywhere, so no tolerances."""

import functools

import keras
import numpy as np
import pytest
from backends import first_under_jax
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_struct.ops import nms


def greedy(boxes, scores, options):
    """The definition: one image, one pair at a time, rows (box, label)."""
    num_classes = scores.shape[1]
    flat = scores.reshape(-1)
    order = np.flatnonzero(flat > options.score_threshold)
    order = order[np.lexsort((order, -flat[order]))]
    read = np.zeros(num_classes, int)
    kept, result = {label: [] for label in range(num_classes)}, []
    for box, label in (divmod(int(pair), num_classes) for pair in order):
        read[label] += 1
        if len(result) == options.max_detections:
            break
        if options.max_candidates and read[label] > options.max_candidates:
            continue
        if options.max_per_class and len(kept[label]) >= options.max_per_class:
            continue
        overlaps = iou(boxes[box], boxes[np.array(kept[label], int)])
        if not (overlaps > np.float32(options.iou_threshold)).any():
            kept[label].append(box)
            result.append((box, label))
    return result


def iou(box, others):
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1, dtype="float32")
    area = [np.prod(np.maximum(b[..., 2:] - b[..., :2], 0), axis=-1) for b in (box, others)]
    union = area[0] + area[1] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0).astype("float32")


@functools.cache
def plain():
    """Eager, but for JAX, which would compile the loops anew at each eager call."""
    if keras.backend.backend() != "jax":
        return nms.suppress
    import jax

    return jax.jit(nms.suppress, static_argnums=2)


def run(boxes, scores, options, function=None):
    result = (function or plain())(boxes, scores, options)
    return {name: keras.ops.convert_to_numpy(value) for name, value in result.items()}


def assert_greedy(boxes, scores, options, function=None):
    result = run(boxes, scores, options, function)
    for i, (image_boxes, image_scores) in enumerate(zip(boxes, scores, strict=True)):
        expected = greedy(image_boxes, image_scores, options)
        count, size = len(expected), options.max_detections
        at = np.array(expected, int).reshape(-1, 2)
        pad = size - count
        assert result["num_detections"][i] == count
        np.testing.assert_array_equal(
            result["labels"][i], np.pad(at[:, 1], (0, pad), constant_values=-1)
        )
        np.testing.assert_array_equal(
            result["scores"][i], np.pad(image_scores[at[:, 0], at[:, 1]], (0, pad))
        )
        np.testing.assert_array_equal(
            result["boxes"][i], np.pad(image_boxes[at[:, 0]], ((0, pad), (0, 0)))
        )
    return result


def crowds(seed, batch=2, num_boxes=150, num_classes=3, levels=None):
    """Boxes crowded around a few objects; `levels` rounds scores, so that many are equal."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(50, 250, (batch, 12, 2))[:, rng.integers(0, 12, num_boxes)]
    centre = centre + rng.normal(0, 6, (batch, num_boxes, 2))
    size = rng.uniform(20, 60, (batch, num_boxes, 2))
    scores = rng.uniform(0, 1, (batch, num_boxes, num_classes)) ** 2
    if levels:
        scores = np.round(scores * levels) / levels
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=2)
    return boxes.astype("float32"), scores.astype("float32")


def chain(length):
    """Each box overlaps only its neighbours: keeping one decides all behind it."""
    left = np.arange(length, dtype="float32") * 4
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1)[None]
    return boxes, np.linspace(0.9, 0.5, length, dtype="float32")[None, :, None]


SMALL = nms.Options(max_detections=60, block=100, window=24)  # many blocks and windows


@pytest.mark.parametrize("iou_threshold", first_under_jax([0.3, 0.0, 0.5, 1.0]))
@pytest.mark.parametrize("seed", range(3))
def test_equals_greedy_loop(seed, iou_threshold):
    assert_greedy(*crowds(seed), SMALL._replace(iou_threshold=iou_threshold))


@pytest.mark.parametrize("score_threshold", first_under_jax([0.3, 0.0, 0.9, 1.0]))
def test_equals_greedy_loop_with_ties(score_threshold):
    assert_greedy(*crowds(5, levels=8), SMALL._replace(score_threshold=score_threshold))


@pytest.mark.parametrize(
    "speed", first_under_jax([(7, 16, 2), (300, 128, 4), (1, 4, 3), (900, 8, 7)])
)
def test_block_window_and_sweeps_change_nothing(speed):
    block, window, sweeps = speed
    boxes, scores = crowds(6, num_boxes=80, levels=20)
    options = nms.Options(max_detections=40, block=block, window=window, sweeps=sweeps)
    assert_greedy(boxes, scores, options)


@pytest.mark.parametrize(
    "limits", first_under_jax([(9, 2), (5, None), (None, 2), (1, 1), (1000, 1000)])
)
def test_limits_per_class(limits):
    max_candidates, max_per_class = limits
    options = SMALL._replace(max_candidates=max_candidates, max_per_class=max_per_class)
    assert_greedy(*crowds(7, levels=30), options)


@pytest.mark.parametrize("length", first_under_jax([100, 150]))
def test_chain_is_not_approximated(length):
    options = nms.Options(iou_threshold=0.3, max_detections=length)
    result = assert_greedy(*chain(length), options)
    assert result["num_detections"][0] == (length + 1) // 2


@pytest.mark.agnostic
def test_literal_example():
    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]]], "float32")
    scores = np.array([[[0.9, 0.0], [0.8, 0.6], [0.7, 0.0]]], "float32")
    result = nms.non_max_suppression(boxes, scores, max_detections=4)
    result = {name: keras.ops.convert_to_numpy(value) for name, value in result.items()}
    np.testing.assert_array_equal(result["labels"], [[0, 0, 1, -1]])
    np.testing.assert_array_equal(result["scores"], np.array([[0.9, 0.7, 0.6, 0]], "float32"))
    np.testing.assert_array_equal(result["boxes"][0], boxes[0][[0, 2, 1, 1]] * [[1], [1], [1], [0]])
    assert result["num_detections"].tolist() == [3]


@pytest.mark.agnostic
def test_iou_equal_to_the_threshold_is_kept():
    boxes = np.array([[[0, 0, 2, 2], [0, 0, 2, 1]]], "float32")  # IoU 1/2
    scores = np.array([[[0.9], [0.8]]], "float32")
    assert run(boxes, scores, SMALL._replace(iou_threshold=0.5))["num_detections"] == [2]
    assert run(boxes, scores, SMALL._replace(iou_threshold=0.499))["num_detections"] == [1]


def test_score_equal_to_the_threshold_is_dropped():
    boxes = np.array([[[0, 0, 2, 2], [5, 5, 7, 7]]], "float32")
    scores = np.array([[[0.75], [0.5]]], "float32")
    assert run(boxes, scores, SMALL._replace(score_threshold=0.5))["num_detections"] == [1]


@pytest.mark.agnostic
def test_boxes_without_area_neither_drop_nor_are_dropped():
    boxes = np.array([[[0, 0, 0, 5], [0, 0, 0, 5], [3, 3, 1, 1], [0, 0, 5, 5]]], "float32")
    scores = np.array([[[0.9], [0.8], [0.7], [0.6]]], "float32")
    assert_greedy(boxes, scores, SMALL._replace(iou_threshold=0.0))
    assert run(boxes, scores, SMALL._replace(iou_threshold=0.0))["num_detections"] == [4]


@pytest.mark.agnostic
@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 5, 0), (2, 5, 3)])
def test_nothing_to_detect(shape):
    result = run(np.ones((*shape[:2], 4), "float32"), np.zeros(shape, "float32"), SMALL)
    assert result["boxes"].shape == (2, 60, 4) and not result["boxes"].any()
    assert not result["scores"].any() and (result["labels"] == -1).all()
    assert result["num_detections"].tolist() == [0, 0]


@pytest.mark.agnostic
def test_nan_scores_count_as_none():
    boxes, scores = crowds(8)
    spoiled = scores.copy()
    spoiled[0, ::7, 1] = np.nan
    cleaned = np.nan_to_num(spoiled)
    expected, result = run(boxes, cleaned, SMALL), run(boxes, spoiled, SMALL)
    for name in expected:
        np.testing.assert_array_equal(result[name], expected[name])


def test_padding_with_zero_scores_changes_nothing():
    boxes, scores = crowds(9, num_boxes=70)
    more = np.pad(boxes, ((0, 0), (0, 400), (0, 0))), np.pad(scores, ((0, 0), (0, 400), (0, 0)))
    expected, result = run(boxes, scores, SMALL), run(*more, SMALL)
    for name in expected:
        np.testing.assert_array_equal(result[name], expected[name])


@pytest.mark.agnostic
def test_batch_equals_each_image_alone():
    """One image is done at once, one needs several blocks, one has nothing."""
    boxes, scores = crowds(10, batch=3)
    scores[1] = np.where(scores[1] > 0.95, scores[1], 0)
    scores[2] = 0
    together = run(boxes, scores, SMALL)
    for i in range(3):
        alone = run(boxes[i : i + 1], scores[i : i + 1], SMALL)
        for name in together:
            np.testing.assert_array_equal(together[name][i], alone[name][0])


@pytest.mark.agnostic
def test_not_exhaustive_returns_the_head_of_greedys_result():
    boxes, scores = crowds(11, num_boxes=300)
    options = SMALL._replace(max_detections=200, exhaustive=False)
    result, exact = (
        run(boxes, scores, options),
        run(boxes, scores, options._replace(exhaustive=True)),
    )
    for i, count in enumerate(result["num_detections"]):
        assert 0 < count < exact["num_detections"][i]
        np.testing.assert_array_equal(result["boxes"][i, :count], exact["boxes"][i, :count])


coordinates = st.tuples(*[st.integers(0, 4)] * 4)
pairs = st.lists(st.tuples(coordinates, st.integers(0, 4), st.integers(0, 4)), max_size=9)


@pytest.mark.agnostic
@settings(max_examples=40, deadline=None, derandomize=True)
@given(pairs, st.sampled_from([(0.0, None), (0.25, 2), (1 / 3, 2), (0.5, None)]))
def test_tiny_grids(found, limits):
    """Small integers make equal scores and IoUs that meet the threshold exactly."""
    boxes, scores = np.zeros((1, 9, 4), "float32"), np.zeros((1, 9, 2), "float32")
    for i, (box, first, second) in enumerate(found):
        boxes[0, i], scores[0, i] = box, (first / 4, second / 4)
    iou_threshold, limit = limits
    options = nms.Options(iou_threshold, 0.2, 6, limit, limit, block=5, window=4, sweeps=2)
    assert_greedy(boxes, scores, options)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"iou_threshold": 45}, r"`iou_threshold` must be a number in \[0, 1\]. Received"),
        ({"score_threshold": "0.5"}, r"`score_threshold` must be a number in \[0, 1\]. Received"),
        ({"score_threshold": float("nan")}, r"`score_threshold` must be a number in \[0, 1\]"),
        ({"max_detections": 0}, r"`max_detections` must be a positive int. Received"),
        ({"max_detections": None}, r"`max_detections` must be a positive int. Received"),
        ({"max_candidates": 2.5}, r"`max_candidates` must be a positive int.*or None for no limit"),
        ({"max_per_class": True}, r"`max_per_class` must be a positive int"),
        ({"exhaustive": 3}, r"`exhaustive` must be True or False"),
    ],
)
def test_wrong_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        nms.non_max_suppression(np.zeros((1, 2, 4)), np.zeros((1, 2, 1)), **change)


@pytest.mark.parametrize(
    "shapes, message",
    [
        (((2, 4), (1, 2, 1)), r"`boxes` must have shape \(batch, boxes, 4\). Received"),
        (((1, 2, 5), (1, 2, 1)), r"`boxes` must have shape \(batch, boxes, 4\). Received"),
        (((1, 2, 4), (1, 2)), r"`scores` must have shape \(batch, boxes, classes\)"),
        (((1, 2, 4), (1, 3, 1)), r"`scores` must have shape .*as many boxes as `boxes`"),
    ],
)
def test_wrong_shapes(shapes, message):
    with pytest.raises(ValueError, match=message):
        nms.non_max_suppression(*(np.zeros(shape) for shape in shapes))


def test_compiled_equals_greedy():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("under JAX all of these tests run compiled")
    import tensorflow as tf

    compiled = tf.function(nms.suppress, jit_compile=True)
    assert_greedy(*crowds(12, levels=50), SMALL, compiled)
