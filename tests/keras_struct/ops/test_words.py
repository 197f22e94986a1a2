"""Sets of numbers of several words, against NumPy."""

import numpy as np
import pytest
from keras import ops

from keras_struct.ops.gaussian_filters import words

pytestmark = pytest.mark.agnostic


def tensors(numbers):
    """Numbers (B, M, words) as a list of words."""
    return [
        ops.convert_to_tensor(np.ascontiguousarray(part)) for part in np.moveaxis(numbers, 2, 0)
    ]


def arrays(parts):
    return np.stack([ops.convert_to_numpy(part) for part in parts], axis=2)


@pytest.mark.parametrize("parts", [1, 3])
def test_distinct_numbers_in_order(parts):
    numbers = np.random.default_rng(parts).integers(0, 4, (2, 30, parts)).astype("int32")
    numbers[1, 5:] = words.LARGEST
    table, row, count = words.distinct(tensors(numbers))
    table, row, count = arrays(table), ops.convert_to_numpy(row), ops.convert_to_numpy(count)
    for image in range(2):
        real = numbers[image, : 30 if image == 0 else 5]
        expected = np.unique(real, axis=0)
        assert count[image] == len(expected)
        np.testing.assert_array_equal(table[image, : len(expected)], expected)
        assert (table[image, len(expected) :] == words.LARGEST).all()
        np.testing.assert_array_equal(table[image, row[image, : len(real)]], real)


@pytest.mark.parametrize("parts", [1, 3])
def test_numbers_are_found_in_a_table(parts):
    rng = np.random.default_rng(parts)
    pool = np.unique(rng.integers(0, 4, (60, parts)), axis=0).astype("int32")
    table = np.concatenate([pool[::2], np.full((3, parts), words.LARGEST, "int32")])
    place, found = words.find(tensors(table[None]), tensors(pool[None]))
    place, found = ops.convert_to_numpy(place)[0], ops.convert_to_numpy(found)[0]
    np.testing.assert_array_equal(found, np.arange(len(pool)) % 2 == 0)
    np.testing.assert_array_equal(place[found], np.arange(len(pool[::2])))


def test_order_is_by_the_first_word_that_differs():
    numbers = np.random.default_rng(0).integers(0, 5, (2, 70, 3)).astype("int32")
    order = ops.convert_to_numpy(words.sort_order(tensors(numbers)))
    for image in range(2):
        np.testing.assert_array_equal(order[image], np.lexsort(numbers[image].T[::-1]))
