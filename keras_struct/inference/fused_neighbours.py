"""Which lattice points are beside each other, and the points added between those that are used.

Each point has two neighbours along six directions. Used points look each other up first. What is
missing beside at least two used points is added: a blur passes through it. Then the added points
look each other up.
"""

import numpy as np
from numba import njit

from keras_struct.inference.code_table import (
    EXACT,
    FIRST_BITS,
    empty_table,
    find,
    grown_table,
    insert,
)
from keras_struct.inference.threads import Team, cut


def connect(used: np.ndarray, keys, slots, steps: np.ndarray, team: Team) -> np.ndarray:
    """Add points and find the neighbours of all.

    Args:
        used: (U,) int64 codes of the points that pixels use.
        keys: of their `code_table`.
        slots: of their `code_table`.
        steps: (6,) int64 of `direction_steps`.
        team: `Team`.

    Returns:
        (6, L, 2) int32, the point before and after each; L where there is none. The first U are
        the used ones.
    """
    links = np.full((6, len(used), 2), -1, "int32")
    chunks = cut(len(used), 2 * team.threads)
    team.share(
        lambda i: _connect_used(used, keys, slots, steps, links, chunks[i], chunks[i + 1]),
        len(chunks) - 1,
    )
    added, numbers, *table = _points_between(used, links, steps)
    count = len(used) + len(added)
    neighbours = np.full((6, count, 2), count, "int32")
    parts = cut(len(added), 2 * team.threads) if len(added) else np.zeros(1, "int64")

    def finish(piece):
        if piece < 6:
            _take_links(links[piece], numbers, neighbours[piece])
        else:
            span = parts[piece - 6], parts[piece - 5]
            _connect_added(added, len(used), numbers, *table, steps, neighbours, *span)

    team.share(finish, 6 + len(parts) - 1)
    return neighbours


@njit(**EXACT)
def _connect_used(used, keys, slots, steps, links, first, last):
    for point in range(first, last):
        for direction in range(6):
            after = find(used[point] + steps[direction], keys, slots)
            if after >= 0:
                links[direction, point, 1] = after
                links[direction, after, 0] = point


@njit(**EXACT)
def _points_between(used, links, steps):
    """Codes to add, a table of the candidates, and the points they became, or -1.

    Links to candidates become -2 - candidate.
    """
    bits, count = FIRST_BITS, 0
    while 1 << bits < 6 * len(used):  # about what is needed: growing takes time
        bits += 1
    keys, slots = empty_table(bits)
    codes, times = np.empty(len(used) * 12, np.int64), np.empty(len(used) * 12, np.int32)
    for point in range(len(used)):
        if 2 * (count + 12) > len(keys):
            bits += 1
            keys, slots = grown_table(codes, count, bits)
        for direction in range(6):
            for side in range(2):
                if links[direction, point, side] >= 0:
                    continue
                code = used[point] + (steps[direction] if side == 1 else -steps[direction])
                candidate = insert(code, keys, slots, count)
                if candidate == count:
                    codes[count] = code
                    times[count] = 0
                    count += 1
                times[candidate] += 1
                links[direction, point, side] = -2 - candidate
    numbers = np.full(count, -1, np.int32)
    added = 0
    for candidate in range(count):
        if times[candidate] >= 2:
            numbers[candidate] = len(used) + added
            codes[added] = codes[candidate]
            added += 1
    return codes[:added].copy(), numbers, keys, slots


@njit(**EXACT)
def _take_links(links, numbers, neighbours):
    """Neighbours of the used points along one direction, and theirs back to them."""
    for point in range(len(links)):
        for side in range(2):
            other = links[point, side]
            if other < 0:
                other = numbers[-2 - other]
                if other < 0:
                    continue
                neighbours[other, 1 - side] = point
            neighbours[point, side] = other


@njit(**EXACT)
def _connect_added(added, used, numbers, keys, slots, steps, neighbours, first, last):
    for place in range(first, last):
        for direction in range(6):
            candidate = find(added[place] + steps[direction], keys, slots)
            if candidate >= 0 and numbers[candidate] >= 0:
                neighbours[direction, used + place, 1] = numbers[candidate]
                neighbours[direction, numbers[candidate], 0] = used + place
