"""Numbers of lattice points by their codes: a hash table for Numba, as two arrays."""

import numpy as np
from numba import njit

# no fused multiplications: points must fall into the simplices that NumPy finds
EXACT = {"nogil": True, "cache": True, "error_model": "numpy"}
FIRST_BITS = 13
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(**EXACT)
def empty_table(bits):
    """Keys and numbers of a table with 2 ** bits places, which is to be filled to a half."""
    return np.empty(1 << bits, np.int64), np.full(1 << bits, np.int32(-1), np.int32)


@njit(**EXACT)
def grown_table(codes, count, bits):
    """A table of the first `count` codes."""
    keys, slots = empty_table(bits)
    for number in range(count):
        insert(codes[number], keys, slots, number)
    return keys, slots


# Two functions and no tests in their loops' heads: with these Numba's code is five times slower.
@njit(**EXACT)
def insert(code, keys, slots, new):
    """The number of a code; if it has none it gets `new`."""
    last = np.uint64(len(keys) - 1)
    at = (np.uint64(code) * _GOLDEN >> np.uint64(32)) & last
    while True:
        if slots[at] < 0:
            keys[at] = code
            slots[at] = new
            return np.int32(new)
        if keys[at] == code:
            return slots[at]
        at = (at + np.uint64(1)) & last


@njit(**EXACT)
def find(code, keys, slots):
    """The number of a code, -1 if it has none."""
    last = np.uint64(len(keys) - 1)
    at = (np.uint64(code) * _GOLDEN >> np.uint64(32)) & last
    while True:
        if slots[at] < 0:
            return np.int32(-1)
        if keys[at] == code:
            return slots[at]
        at = (at + np.uint64(1)) & last
