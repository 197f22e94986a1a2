"""The bilateral filter on a coarse grid of positions, with a palette of colours at each node."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_struct.ops.gaussian_filters.features import scaled_colours
from keras_struct.ops.gaussian_filters.palette import between, likeness, palette
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


class _Grid(NamedTuple):
    likeness: object  # (B, blocks, pixels of a block, K) float32, of pixels to palette
    between: object  # (B, K, K) float32, from palette to palette
    missing: object  # (B, H, W, 1) float32, what a pixel lacks of its own weight, which is 1


@dataclasses.dataclass(frozen=True)
class GridFilter:
    """Splat pixels to the nodes of a bilateral grid, blur it with a Gaussian, slice it.

    Positions are interpolated linearly. Colours go by a palette of the image, whose Gaussian is
    that of the colours up to what the palette does not span. All is dense matrix products inside
    blocks of pixels, without gather or scatter, so that it exports to every target. Cost: 8 K
    multiplications for each value, and 4 K bytes a pixel.

    Args:
        sxy: float > 0, pixels.
        srgb: float > 0, grey levels.
        cell: float in (0, 1.25], spacing of the grid in standard deviations.
        colours: int >= 1, K. 128 and cell=0.5 are as accurate as the permutohedral filter.
    """

    sxy: float
    srgb: float
    cell: float = 1.0
    colours: int = 64

    def __post_init__(self):
        if not 0 < self.cell <= 1.25:
            raise ValueError(
                f"`cell` must lie in (0, 1.25]. Received: cell={self.cell!r}. 1.0 is one standard "
                "deviation."
            )
        if type(self.colours) is not int or self.colours < 1:
            raise ValueError(
                f"`colours` must be a positive integer. Received: colours={self.colours!r}."
            )

    def build(self, images):
        """Palette and likeness of images (B, H, W, F) to it."""
        height, width, depth = images.shape[1:]
        colours = scaled_colours(images, self.srgb)
        chosen = palette(colours, self.colours)
        alike = likeness(ops.reshape(colours, (-1, height * width, depth)), chosen)
        inverse = between(chosen)
        own = ops.sum(ops.matmul(alike, inverse) * alike, axis=-1)
        missing = ops.maximum(1.0 - ops.reshape(own, (-1, height, width, 1)), 0.0)
        alike = ops.reshape(alike, (-1, height, width, self.colours))
        return _Grid(_to_blocks(alike, self._size(images.shape)), inverse, missing)

    def apply(self, state, values):
        """Filter values (B, H, W, C)."""
        size = self._size(values.shape)
        corners = ops.convert_to_tensor(_corner_weights(size.block))
        pixels = _to_blocks(values, size)
        parts = ops.concatenate([corners[:, k : k + 1] * pixels for k in range(4)], axis=-1)
        cells = ops.matmul(ops.transpose(state.likeness, (0, 1, 3, 2)), parts)
        nodes = self._blur(_to_nodes(cells, size), state.between, size)
        parts = ops.matmul(state.likeness, _to_cells(nodes, self.colours, size))
        parts = ops.split(parts, 4, axis=-1)
        pixels = sum(corners[:, k : k + 1] * part for k, part in enumerate(parts))
        return _to_pixels(pixels, size) + state.missing * values

    def _size(self, shape):
        height, width = shape[1:3]
        block = max(1, round(self.cell * self.sxy))
        return _Size(height, width, -(-height // block), -(-width // block), block)

    def _blur(self, nodes, inverse, size):
        """Gaussian along rows, columns and colours of (B, rows, columns, K C)."""
        shape = (-1, *nodes.shape[1:])
        rows, columns, depth = shape[1:]
        along = _blur_matrix(rows, self.sxy / size.block)
        nodes = ops.matmul(along, ops.reshape(nodes, (-1, rows, columns * depth)))
        along = _blur_matrix(columns, self.sxy / size.block)
        nodes = ops.matmul(along, ops.reshape(nodes, (-1, columns, depth)))
        channels = depth // self.colours
        nodes = ops.reshape(nodes, (-1, rows * columns, self.colours, channels))
        return ops.reshape(ops.matmul(inverse[:, None], nodes), shape)


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
    """Add what blocks (B, blocks, K, 4 C) give to their corners: (B, rows, columns, K C)."""
    total = 0.0
    for k, part in enumerate(ops.split(cells, 4, axis=-1)):
        down, right = divmod(k, 2)
        part = ops.reshape(part, (-1, size.rows, size.columns, part.shape[2] * part.shape[3]))
        total = total + ops.pad(part, [[0, 0], [down, 1 - down], [right, 1 - right], [0, 0]])
    return total


def _to_cells(nodes, levels, size):
    """What blocks read at their corners, the transpose of `_to_nodes`."""
    parts = []
    for k in range(4):
        down, right = divmod(k, 2)
        part = nodes[:, down : down + size.rows, right : right + size.columns]
        shape = (-1, size.rows * size.columns, levels, nodes.shape[-1] // levels)
        parts.append(ops.reshape(part, shape))
    return ops.concatenate(parts, axis=-1)
