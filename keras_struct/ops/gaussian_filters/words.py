"""Sets of numbers of several words, image by image, in tables of static size.

A number is a list of int32 tensors, its words, most significant first. A table holds the numbers
of a set in rising order, filled up with `LARGEST`.
"""

import functools

from keras import ops

LARGEST = 2**31 - 1


def distinct(words):
    """The set of numbers in a list.

    Args:
        words: list of (B, M) int32; a number whose first word is `LARGEST` does not count.

    Returns:
        table, list of (B, M); row (B, M) int32 of each number in it; count (B,) int32.
    """
    size = words[0].shape[1]
    order = sort_order(words)
    words = [take_rows(word, order) for word in words]
    new = sum(ops.cast(word[:, 1:] != word[:, :-1], "int32") for word in words) > 0
    new = ops.pad(ops.cast(new, "int32"), [[0, 0], [1, 0]], constant_values=1)
    row = ops.cumsum(new, axis=1) - 1
    count = ops.sum(new * ops.cast(words[0] < LARGEST, "int32"), axis=1)
    table = fill([add_rows(new * word, row, size) for word in words], count)
    return table, add_rows(row, order, size), count


def fill(table, count):
    """A table with `LARGEST` behind the first `count` (B,) numbers."""
    used = ops.arange(table[0].shape[1], dtype="int32") < count[:, None]
    return [ops.where(used, words, LARGEST) for words in table]


def sort_order(words):
    """Order (B, M) int32 that sorts numbers of several words, each >= 0."""
    order = ops.cast(ops.argsort(words[-1], axis=-1), "int32")
    for word in reversed(words[:-1]):
        # argsort is stable for whole numbers that are not negative.
        again = ops.cast(ops.argsort(take_rows(word, order), axis=-1), "int32")
        order = take_rows(order, again)
    return order


def find(table, wanted):
    """Place of numbers in a sorted table, for all numbers at once, by halving.

    Args:
        table: list of (B, M) int32, words of rising numbers.
        wanted: list of (B, K) int32, words of the numbers looked for.

    Returns:
        places (B, K) int32 in 0..M - 1, and bool (B, K), whether the number is there.
    """
    size = table[0].shape[1]
    base = row_offsets(wanted[0], size)
    table = [ops.reshape(words, (-1,)) for words in table]
    place = ops.zeros_like(wanted[0])
    step = 1 << (size.bit_length() - 1)
    while step:
        ahead = ops.minimum(place + step, size - 1)
        here = [ops.take(words, ahead + base) for words in table]
        place = ops.where(_not_above(here, wanted), ahead, place)
        step //= 2
    same = [ops.take(w, place + base) == word for w, word in zip(table, wanted, strict=True)]
    return place, functools.reduce(ops.logical_and, same)


def _not_above(words, limits):
    """Whether numbers are at most their limits, decided by the first word that differs."""
    result = words[-1] <= limits[-1]
    for word, limit in zip(words[-2::-1], limits[-2::-1], strict=True):
        result = ops.logical_or(word < limit, ops.logical_and(word == limit, result))
    return result


def take_rows(table, index):
    """Entries index (B, K) of tables (B, M), each image from its own."""
    return ops.take(ops.reshape(table, (-1,)), index + row_offsets(index, table.shape[1]))


def add_rows(values, index, size: int):
    """Sums of values (B, K) that go to the same place index (B, K) of tables (B, size)."""
    index = ops.reshape(index + row_offsets(index, size), (-1,))
    count = ops.shape(values)[0] * size
    sums = ops.segment_sum(ops.reshape(values, (-1,)), index, num_segments=count)
    return ops.reshape(sums, (-1, size))


def row_offsets(index, size: int):
    """Where the table of each image begins if tables of `size` rows lie in one, (B, 1)."""
    return ops.arange(ops.shape(index)[0], dtype="int32")[:, None] * size
