"""Pairs read block by block against one stable sort of all; exact equality everywhere."""

import functools

import keras
import numpy as np
import pytest

from keras_struct.ops import pairs

pytestmark = pytest.mark.agnostic
THRESHOLD = 0.25


@functools.cache
def next_block():
    """Eager, but for JAX, where every eager operation would be compiled alone."""
    if keras.backend.backend() != "jax":
        return pairs.next_block
    import jax

    return jax.jit(pairs.next_block, static_argnums=(3, 4))


def read(boxes, scores, size, rounds):
    """All that `rounds` blocks hold: (B, rounds * size, 7)."""
    unread = pairs.all_pairs(keras.ops.convert_to_tensor(scores), THRESHOLD)
    blocks = []
    for _ in range(rounds):
        block, unread = next_block()(boxes, scores, unread, size, THRESHOLD)
        blocks.append(keras.ops.convert_to_numpy(block))
    return np.concatenate(blocks, axis=1), keras.ops.convert_to_numpy(unread.best)


def assert_in_order(boxes, scores, size):
    num_classes = scores.shape[2]
    rounds = -(-scores[0].size // size)
    result, best = read(boxes, scores, size, rounds)
    assert (best == -1).all()
    flats = scores.reshape(len(scores), -1)
    for image, image_boxes, flat in zip(result, boxes, flats, strict=True):
        order = np.argsort(-flat, kind="stable")
        order = order[flat[order] > THRESHOLD]
        found = image[image[:, pairs.SCORE] > THRESHOLD]
        np.testing.assert_array_equal(found[:, pairs.SCORE], flat[order])
        np.testing.assert_array_equal(found[:, pairs.LABEL], order % num_classes)
        np.testing.assert_array_equal(found[:, :4], image_boxes[order // num_classes])


def random_scores(seed, levels, shape=(2, 40, 3)):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0, 9, (*shape[:2], 4)).astype("float32")
    scores = rng.uniform(0, 1, shape)
    if levels:
        scores = np.round(scores * levels) / levels
    return boxes, scores.astype("float32")


def one_class_each(scores):
    """Only one class of a box has a score: no box has a second pair in a block."""
    kept = np.arange(scores.shape[1])[:, None] % scores.shape[2] == np.arange(scores.shape[2])
    return np.where(kept, scores, 0).astype("float32")


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("size", [3, 40, 120])
def test_several_classes_of_a_box(size, levels):
    assert_in_order(*random_scores(0, levels), size)


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("size", [7, 40])
def test_one_class_of_a_box(size, levels):
    boxes, scores = random_scores(1, levels)
    assert_in_order(boxes, one_class_each(scores), size)


def test_images_of_both_kinds_in_one_batch():
    boxes, scores = random_scores(2, 6)
    scores[0] = one_class_each(scores)[0]
    assert_in_order(boxes, scores, 9)


def test_one_class_only():
    assert_in_order(*random_scores(3, 10, (1, 50, 1)), 8)


def test_nan_is_no_score():
    boxes, scores = random_scores(4, None)
    scores[0, ::3, 1] = np.nan
    best = keras.ops.convert_to_numpy(pairs.all_pairs(scores, THRESHOLD).best)
    expected = np.nanmax(scores, axis=2)
    np.testing.assert_array_equal(best, np.where(expected > THRESHOLD, expected, -1))
    result, _ = read(boxes, scores, 16, 2)
    cleaned, _ = read(boxes, np.nan_to_num(scores), 16, 2)
    np.testing.assert_array_equal(result, cleaned)


def test_score_equal_to_the_threshold_is_not_read():
    boxes, scores = random_scores(5, 4)
    result, _ = read(boxes, scores, 120, 1)
    assert (scores == THRESHOLD).any() and not (result[..., pairs.SCORE] == THRESHOLD).any()
