"""Region features whose bins each read channels of their own.

The channels of a map are size * size blocks of C: channel (i * size + j) * C + c belongs to bin
row i, bin column j and class c. (The authors' files have c * size * size + i * size + j: move the
axis of classes behind when weights are read from them.)
"""

import numpy as np
from keras import ops

from keras_struct.ops.region_features.arguments import check_count
from keras_struct.ops.region_features.levels import (
    CANONICAL_LEVEL,
    CANONICAL_SIZE,
    Pyramid,
    cells_of,
)
from keras_struct.ops.region_features.quantized import some_cells, touched_cells
from keras_struct.ops.region_features.roi_align import align


def position_sensitive_roi_align(
    levels,
    boxes,
    size=7,
    sampling=2,
    canonical_size=CANONICAL_SIZE,
    canonical_level=CANONICAL_LEVEL,
):
    """`roi_align` where bin (i, j) reads channels (i * n + j) * C to (i * n + j + 1) * C alone.

    Args:
        levels: {"P4": (B, h, w, n * n * C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.
        size: int, n, bins along a side.
        sampling: int, points along a side of a bin.
        canonical_size: number, pixels; see `Pyramid`.
        canonical_level: int, the level that boxes of canonical_size squared read.

    Returns:
        (B, R, n, n, C) float32.

    Raises:
        ValueError: if an argument is not as said, channels are no multiple of n * n, or heights or
            widths are unknown.

    Source: Dai et al. 2016, arXiv:1605.06409, eq. 1, with points as in He et al. 2017.
    """
    check_count(size, "size")
    pyramid = Pyramid(levels, boxes, canonical_size, canonical_level)
    block_channels(pyramid.maps[0].shape[-1], size)
    return align(pyramid, size, check_count(sampling, "sampling"), size * size)


def position_sensitive_roi_pool(
    levels, boxes, size=7, canonical_size=CANONICAL_SIZE, canonical_level=CANONICAL_LEVEL
):
    """Average the cells of each bin; bin (i, j) reads block i * n + j of the channels alone.

    Boxes are rounded to whole pixels and are at least one pixel wide and high. A bin takes all
    cells that it touches, and 0 if it touches none: beyond the map.

    The means come from sums over rectangles that begin in the corner of the map, of values less
    their mean over the map: rounding errors stay near 1e-6 of the largest value.

    Args:
        levels: {"P4": (B, h, w, n * n * C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.
        size: int, n, bins along a side.
        canonical_size: number, pixels; see `Pyramid`.
        canonical_level: int, the level that boxes of canonical_size squared read.

    Returns:
        (B, R, n, n, C) float32.

    Raises:
        ValueError: if an argument is not as said, channels are no multiple of n * n, or heights or
            widths are unknown.

    Source: Dai et al. 2016, arXiv:1605.06409, eq. 1, and the authors' psroi_pooling_layer.cu
    without its + 1, since our edges are continuous; it has a tenth of a cell for one pixel.
    """
    check_count(size, "size")
    pyramid = Pyramid(levels, boxes, canonical_size, canonical_level)
    block_channels(pyramid.maps[0].shape[-1], size)
    placed = pyramid.place([_corner_sums(features) for features in pyramid.maps], size * size)
    left, top, right, bottom = ops.split(ops.floor(pyramid.boxes + 0.5), 4, axis=-1)
    rows = touched_cells(top, bottom, placed.height, size, placed.stride)
    columns = touched_cells(left, right, placed.width, size, placed.stride)
    return pyramid.regions(_bin_means(placed, rows, columns, size), size)


def block_channels(channels: int, size: int) -> int:
    """Return C, where `channels` are size * size blocks of C.

    Raises:
        ValueError: if they are not.
    """
    if channels % size**2:
        raise ValueError(
            f"`levels` must have a multiple of `size` * `size` = {size**2} channels. "
            f"Received: channels={channels}, size={size}. Give C channels for each bin."
        )
    return channels // size**2


def _corner_sums(features):
    """(B, (h + 1) * (w + 1) + 1, channels): sums above and left of each corner, then the mean."""
    mean = ops.mean(features, axis=(1, 2), keepdims=True)
    sums = ops.pad(features - mean, [[0, 0], [1, 0], [1, 0], [0, 0]])
    sums = ops.cumsum(ops.cumsum(sums, axis=1), axis=2)
    return ops.concatenate([cells_of(sums), cells_of(mean)], axis=1)


def _bin_means(placed, rows, columns, size):
    block = np.arange(size * size, dtype="int32").reshape(size, size)
    (top, bottom), (left, right) = rows, columns

    def read(row, column):
        start = placed.first + row * (placed.width + 1)
        cell = start[..., None] + column[:, :, None]
        return ops.take(placed.table, ops.reshape(cell * size * size + block, (-1,)), axis=0)

    sums = read(bottom, right) - read(top, right) - read(bottom, left) + read(top, left)
    mean = read(placed.height + 1, ops.zeros_like(left))
    cells = ops.reshape((bottom - top)[..., None] * (right - left)[:, :, None], (-1, 1))
    means = sums / ops.maximum(ops.cast(cells, "float32"), 1.0) + mean
    return ops.where(some_cells(rows, columns), means, 0.0)
