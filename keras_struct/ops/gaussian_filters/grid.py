"""The bilateral filter on a coarse grid of positions and grey levels."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_struct.ops.gaussian_filters.features import LARGEST_COLOUR, scaled_colours
from keras_struct.ops.gaussian_filters.spatial import gaussian_matrix

# Interpolating into a grid and out of it adds this variance, in cells.
_HAT_VARIANCE = 1 / 3


class _Size(NamedTuple):
    """Of an image in blocks of pixels, one between any four nodes of the grid."""

    height: int
    width: int
    rows: int
    columns: int
    block: int
    levels: int


@dataclasses.dataclass(frozen=True)
class GridFilter:
    """Splat pixels to the nodes of a bilateral grid, blur it with a Gaussian, slice it.

    Splatting and slicing interpolate linearly, and are dense matrix products inside blocks of
    pixels: no gather or scatter, so that it exports to every target. Colours count by their
    brightness alone, scaled so that a step between greys weighs as in the exact kernel; colours
    of the same brightness are one. Cost: 16 L products for each value, with L = 442 / (cell srgb)
    levels, and 4 L bytes a pixel.

    Args:
        sxy: float > 0, pixels.
        srgb: float > 0, grey levels.
        cell: float in (0, 1.25], spacing of the grid in standard deviations.
    """

    sxy: float
    srgb: float
    cell: float = 1.0

    def __post_init__(self):
        if not 0 < self.cell <= 1.25:
            raise ValueError(
                f"`cell` must lie in (0, 1.25]. Received: cell={self.cell!r}. 1.0 is one standard "
                "deviation."
            )

    def build(self, images):
        """Interpolation weights of brightness, (B, blocks, pixels of a block, L)."""
        depth = images.shape[-1]
        brightest = math.sqrt(depth) * LARGEST_COLOUR / (self.srgb * self.cell)
        size = self._size(images.shape, math.ceil(brightest) + 1)
        colours = scaled_colours(images, self.srgb * self.cell)
        brightness = ops.sum(colours, axis=-1, keepdims=True) / math.sqrt(depth)
        levels = ops.convert_to_tensor(np.arange(size.levels, dtype="float32"))
        return ops.maximum(1.0 - ops.abs(_to_blocks(brightness, size) - levels), 0.0)

    def apply(self, state, values):
        """Filter values (B, H, W, C)."""
        size = self._size(values.shape, state.shape[-1])
        corners = ops.convert_to_tensor(_corner_weights(size.block))
        pixels = _to_blocks(values, size)
        parts = ops.concatenate([corners[:, k : k + 1] * pixels for k in range(4)], axis=-1)
        cells = ops.matmul(ops.transpose(state, (0, 1, 3, 2)), parts)
        nodes = self._blur(_to_nodes(cells, size), size)
        parts = ops.split(ops.matmul(state, _to_cells(nodes, size)), 4, axis=-1)
        pixels = sum(corners[:, k : k + 1] * part for k, part in enumerate(parts))
        return _to_pixels(pixels, size)

    def _size(self, shape, levels):
        height, width = shape[1:3]
        block = max(1, round(self.cell * self.sxy))
        return _Size(height, width, -(-height // block), -(-width // block), block, levels)

    def _blur(self, nodes, size):
        """Gaussian along rows, columns and levels of (B, rows, columns, L C)."""
        shape = (-1, *nodes.shape[1:])
        rows, columns, depth = shape[1:]
        along = _blur_matrix(rows, self.sxy / size.block)
        nodes = ops.matmul(along, ops.reshape(nodes, (-1, rows, columns * depth)))
        along = _blur_matrix(columns, self.sxy / size.block)
        nodes = ops.matmul(along, ops.reshape(nodes, (-1, columns, depth)))
        along = _blur_matrix(size.levels, 1 / self.cell)
        nodes = ops.matmul(along, ops.reshape(nodes, (-1, size.levels, depth // size.levels)))
        return ops.reshape(nodes, shape)


def _blur_matrix(count, sigma):
    """Gaussian of `sigma` cells, less what interpolation adds, with the same sum of weights."""
    narrow = math.sqrt(sigma**2 - _HAT_VARIANCE)
    places = np.arange(count)
    return ops.convert_to_tensor(gaussian_matrix(places, places, narrow) * (sigma / narrow))


def _corner_weights(block):
    """Bilinear weights of the four nodes around each pixel of a block, (block^2, 4)."""
    far = (np.arange(block) + 0.5) / block
    near = np.stack([1 - far, far])
    weights = np.einsum("ay,bx->yxab", near, near)
    return weights.reshape(block * block, 4).astype("float32")


def _to_blocks(maps, size):
    """(B, H, W, K) to (B, blocks, pixels of a block, K), filled up with zeros."""
    block, depth = size.block, maps.shape[-1]
    missing = [size.rows * block - size.height, size.columns * block - size.width]
    maps = ops.pad(maps, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
    maps = ops.reshape(maps, (-1, block, size.columns, block * depth))
    maps = ops.transpose(maps, (0, 2, 1, 3))
    return ops.reshape(maps, (-1, size.rows * size.columns, block * block, depth))


def _to_pixels(blocks, size):
    """Undo `_to_blocks`."""
    block, depth = size.block, blocks.shape[-1]
    maps = ops.reshape(blocks, (-1, size.columns, block, block * depth))
    maps = ops.transpose(maps, (0, 2, 1, 3))
    maps = ops.reshape(maps, (-1, size.rows * block, size.columns * block, depth))
    return maps[:, : size.height, : size.width]


def _to_nodes(cells, size):
    """Add what blocks (B, blocks, L, 4 C) give to their corners: (B, rows, columns, L C)."""
    total = 0.0
    for k, part in enumerate(ops.split(cells, 4, axis=-1)):
        down, right = divmod(k, 2)
        part = ops.reshape(part, (-1, size.rows, size.columns, part.shape[2] * part.shape[3]))
        total = total + ops.pad(part, [[0, 0], [down, 1 - down], [right, 1 - right], [0, 0]])
    return total


def _to_cells(nodes, size):
    """What blocks read at their corners, the transpose of `_to_nodes`."""
    parts = []
    for k in range(4):
        down, right = divmod(k, 2)
        part = nodes[:, down : down + size.rows, right : right + size.columns]
        shape = (-1, size.rows * size.columns, size.levels, nodes.shape[-1] // size.levels)
        parts.append(ops.reshape(part, shape))
    return ops.concatenate(parts, axis=-1)
