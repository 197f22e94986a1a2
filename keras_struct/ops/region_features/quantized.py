"""Whole cells that the bins of a box touch."""

import numpy as np
from keras import ops


def touched_cells(start, end, cells, count: int, step=1):
    """Cells from `low` to before `high` that each of `count` equal parts of start..end touches.

    Exact on every target: numbers are whole, and what is rounded down is never a whole number.

    Args:
        start: (B, R, 1) float32, whole numbers, `step` a cell.
        end: (B, R, 1) float32, whole numbers; at least start + 1 is taken.
        cells: int or (B, R, 1) int32, cells of the map along this side.
        count: int, bins.
        step: int or (B, R, 1) int32.

    Returns:
        low and high, (B, R, count) int32 from 0 to `cells`. No cells: high is not above low.
    """
    cells, unit = ops.cast(cells, "float32"), ops.cast(count * step, "float32")
    length = ops.maximum(end - start, 1.0)
    number = np.arange(count, dtype="float32")
    low = ops.floor((count * start + number * length + 0.5) / unit)
    high = ops.floor((count * start + (number + 1.0) * length - 0.5) / unit) + 1.0
    low, high = (ops.minimum(ops.maximum(edge, 0.0), cells) for edge in (low, high))
    return ops.cast(low, "int32"), ops.cast(high, "int32")


def on_map(start, end, cells):
    """The part on the map of quantised start..end, at least one cell long.

    What lies beyond the map altogether stays there, one cell long.
    """
    cells = ops.cast(cells, "float32")
    end = ops.maximum(end, start + 1.0)
    inner = ops.maximum(start, ops.minimum(end - 1.0, 0.0))
    return inner, ops.minimum(end, ops.maximum(start + 1.0, cells))


def some_cells(rows, columns):
    """Whether rectangles of (low, high), (B, R, n) each, have cells: (B * R * n * n, 1) bool."""
    tall, wide = (high > low for low, high in (rows, columns))
    return ops.reshape(ops.logical_and(tall[..., None], wide[:, :, None]), (-1, 1))


def longest_bin(cells: int, count: int) -> int:
    """The most cells that a bin of a box on a map of `cells` touches."""
    length = np.arange(1, cells + 1)[:, None]
    number = np.arange(count)
    return int(np.max(-(-(number + 1) * length // count) - number * length // count))
