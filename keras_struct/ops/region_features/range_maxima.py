"""Maxima of all windows of a map whose sides are powers of two, and of any rectangle from them.

A rectangle is the union of four windows that overlap: along each side one from its start and one
to its end. So it takes four look-ups, whatever its size.
"""

from keras import ops

from keras_struct.ops.region_features.levels import cells_of
from keras_struct.ops.region_features.quantized import some_cells


def powers_for(longest: int) -> int:
    """How many powers of two, from 1 on, two windows need to cover 1 to `longest` cells."""
    return max(1, (longest - 1).bit_length())


def window_maxima(features, row_powers: int, column_powers: int):
    """Maxima of windows of 2^p x 2^q cells that begin in each cell.

    Args:
        features: (B, h, w, C).
        row_powers: int, how many p from 0 on.
        column_powers: int, how many q from 0 on.

    Returns:
        (B, row_powers * column_powers * h * w, C), by p, q, row and column. What reaches beyond
        the map is not meant to be read.
    """
    tables = []
    for tall in _doubled(features, row_powers, axis=1):
        tables += [cells_of(wide) for wide in _doubled(tall, column_powers, axis=2)]
    return tables[0] if len(tables) == 1 else ops.concatenate(tables, axis=1)


def rectangle_maxima(placed, rows, columns, most: int, column_powers):
    """Maxima of rectangles.

    Args:
        placed: `Placed`, of `window_maxima`.
        rows: low and high, (B, R, n) int32: rows from low to before high.
        columns: low and high, (B, R, n) int32.
        most: int, powers of a side of the map that has most.
        column_powers: int or (B, R, 1) int32, of the map of each box.

    Returns:
        (B * R * n * n, C), 0 for rectangles without cells.
    """
    row_power, tops = _windows(*rows, placed.height, most)
    column_power, lefts = _windows(*columns, placed.width, most)
    power = (row_power * column_powers)[..., None] + column_power[:, :, None]
    best = None
    for top in tops:
        for left in lefts:
            row = power * _wide(placed.height) + top[..., None]
            cell = _wide(placed.first) + row * _wide(placed.width) + left[:, :, None]
            found = ops.take(placed.table, ops.reshape(cell, (-1,)), axis=0)
            best = found if best is None else ops.maximum(best, found)
    return ops.where(some_cells(rows, columns), best, 0.0)


def _doubled(windows, powers, axis):
    """Maxima of 1, 2, 4 ... cells along an axis of (B, h, w, C)."""
    results = [windows]
    for power in range(powers - 1):
        step = 2**power
        behind = windows[:, step:] if axis == 1 else windows[:, :, step:]
        missing = [[0, step if axis == place else 0] for place in range(4)]
        windows = ops.maximum(windows, ops.pad(behind, missing))
        results.append(windows)
    return results


def _windows(low, high, cells, most):
    """The power of the two windows that cover low..high, and where each begins."""
    power, size = ops.zeros_like(low), ops.ones_like(low)
    for number in range(most - 1):
        longer = ops.cast(high - low > 2 ** (number + 1), "int32")
        power, size = power + longer, size + longer * 2**number
    # Where there are no cells, low or high - size can lie beyond the map.
    return power, (ops.minimum(low, cells - 1), ops.maximum(high - size, 0))


def _wide(number):
    """Bring (B, R, 1) to the rank of (B, R, n, n)."""
    return number if isinstance(number, int) else number[..., None]
