"""Bilinear values of maps at a grid of points in each box, averaged in bins."""

from typing import NamedTuple

import numpy as np
from keras import ops


class Taps(NamedTuple):
    """The two cells along one side that make up the value at each point of (B, R, points)."""

    low: object  # int32
    high: object  # int32, the next cell, or the same at the end
    share: object  # float32, weight of the high one
    inside: object  # float32, 1 or 0


def points_along(start, end, count: int):
    """The middles of `count` equal parts of start..end, (B, R, 1) each, as (B, R, count).

    An end before its start counts as the start.
    """
    middles = ((np.arange(count) + 0.5) / count).astype("float32")
    return start + ops.maximum(end - start, 0.0) * middles


def taps(points, size, margin: float) -> Taps:
    """Cells and weights of points.

    Args:
        points: (B, R, points) float32, in cells: the centre of cell i is at i + 0.5.
        size: int or (B, R, 1) int32, cells of the map along this side.
        margin: float, cells. Points up to this far from the map are inside; those that lie
            outside the centres of the outermost cells get the value of these.
    """
    cells = ops.cast(size, "float32")
    inside = ops.logical_and(points >= -margin, points <= cells + margin)
    points = ops.minimum(ops.maximum(points - 0.5, 0.0), cells - 1.0)
    low = ops.floor(points)
    first = ops.cast(low, "int32")
    return Taps(first, ops.minimum(first + 1, size - 1), points - low, ops.cast(inside, "float32"))


def box_taps(placed, boxes, count: int, margin: float):
    """Taps down and across of count x count points in each box of (B, R, 4), pixels."""
    left, top, right, bottom = ops.split(boxes / ops.cast(placed.stride, "float32"), 4, axis=-1)
    down = taps(points_along(top, bottom, count), placed.height, margin)
    return down, taps(points_along(left, right, count), placed.width, margin)


def bin_means(placed, down, across, sampling: int, blocks: int = 1):
    """Means of sampling x sampling points a bin; points outside count as 0.

    Args:
        placed: `Placed`, with `blocks` rows for a cell.
        down: Taps of n * sampling points.
        across: Taps of n * sampling points.
        sampling: int, points of a bin along a side.
        blocks: int, 1; or n * n, where bin (i, j) reads row i * n + j of a cell.

    Returns:
        (B * R * n * n, C) float32.
    """
    size = down.low.shape[2] // sampling
    block = np.arange(size * size, dtype="int32").reshape(size, size) if blocks > 1 else 0
    total = 0.0
    # Four rows at once: one at a time makes slow gradients, all of them slow and large values.
    for i in range(sampling):
        rows = _at(down, i, sampling)
        starts = [placed.first + cell * placed.width for cell in (rows.low, rows.high)]
        for j in range(sampling):
            columns = _at(across, j, sampling)
            cells = _pairs(ops.add, starts, (columns.low, columns.high))
            weights = _pairs(ops.multiply, _weights(rows), _weights(columns))
            index = _flat([cell * blocks + block for cell in cells])
            values = ops.take(placed.table, index, axis=0)
            total = total + ops.sum(values * _flat(weights)[..., None], axis=1)
    return total / sampling**2


def _at(taps, offset, step):
    return Taps(*(part[:, :, offset::step] for part in taps))


def _weights(taps):
    return (1.0 - taps.share) * taps.inside, taps.share * taps.inside


def _pairs(function, rows, columns):
    """Each of `rows` (B, R, n) with each of `columns` (B, R, n): list of (B, R, n, n)."""
    return [function(row[..., None], column[:, :, None]) for row in rows for column in columns]


def _flat(parts):
    return ops.stack([ops.reshape(part, (-1,)) for part in parts], axis=1)
