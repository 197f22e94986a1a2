"""The permutohedral lattice: points to vertices, vertices to numbers, numbers to neighbours.

In d dimensions the lattice lies in the plane of d + 1 coordinates that add up to zero. A simplex
has d + 1 corners, and a vertex two neighbours along each of d + 1 axes. Vertices are written in
the basis of the first d axes, in which neighbours differ by one in one coordinate, or in all.

Source: Adams, Baek and Davis 2010, "Fast high-dimensional filtering using the permutohedral
lattice".
"""

import math

import numpy as np
from keras import ops

from keras_struct.ops.gaussian_filters.words import LARGEST

# Words stay below what marks the end of a table.
LARGEST_WORD = LARGEST


def simplices(features):
    """Corners of the simplex around each point, and what each point gives to them.

    Args:
        features: (B, N, d) float32, in standard deviations of the Gaussian.

    Returns:
        vertices (B, N, d + 1, d) int32 in the basis of axes, and barycentric weights
        (B, N, d + 1) float32.
    """
    depth = features.shape[-1]
    raised = _elevated(features)
    nearest = ops.round(raised / (depth + 1))
    rest = raised / (depth + 1) - nearest
    index = np.arange(depth + 1)
    above = rest[..., None, :] > rest[..., :, None]
    tied = ops.logical_and(rest[..., None, :] == rest[..., :, None], index < index[:, None])
    rank = ops.sum(ops.cast(ops.logical_or(above, tied), "float32"), axis=-1)
    # The rounded point may lie off the plane: move it back along the worst coordinates.
    rank = rank + ops.sum(nearest, axis=-1, keepdims=True)
    wrap = ops.cast(rank < 0, "float32") - ops.cast(rank > depth, "float32")
    rank = rank + wrap * (depth + 1)
    nearest, rest = nearest + wrap, rest - wrap
    # Differences of neighbours in the order of ranks, which are a permutation of 0..d.
    slot = ops.cast(rank[..., None] == index.astype("float32"), "float32")
    ordered = ops.flip(ops.sum(slot * rest[..., None], axis=-2), axis=-1)
    before = ops.concatenate([ordered[..., -1:] - 1.0, ordered[..., :-1]], axis=-1)
    # Corner k lowers by one those coordinates whose rank is above d - k.
    lowered = ops.cast(rank[..., None, :] > depth - index[:, None].astype("float32"), "float32")
    corner = nearest[..., None, :] - lowered
    vertices = ops.cast(corner[..., -1:] - corner[..., :-1], "int32")
    return vertices, ordered - before


def _elevated(features):
    """Points (B, N, d) in the plane of d + 1 coordinates, (B, N, d + 1).

    Scaled so that splatting, blurring with (1, 2, 1) / 4 along each axis and slicing have the
    variance of the unit Gaussian. Sums one by one: a matrix product may round to fewer digits.
    """
    depth = features.shape[-1]
    matrix = elevation(depth)
    columns = ops.unstack(features, depth, axis=-1)
    return ops.stack(
        [
            sum(float(matrix[i, m]) * columns[i] for i in range(depth) if matrix[i, m])
            for m in range(depth + 1)
        ],
        axis=-1,
    )


def elevation(depth):
    """The linear map of `_elevated`, (d, d + 1) float64."""
    matrix = np.tril(np.ones((depth, depth + 1)))
    rows = np.arange(depth)
    matrix[rows, rows + 1] = -(rows + 1)
    scale = math.sqrt(2 / 3) * (depth + 1) / np.sqrt((rows + 1) * (rows + 2))
    return matrix * scale[:, None]


def shift(depth):
    """Where to put the origin, d float32: off the faces of simplices.

    The first row of pixels or black ones would lie on faces, where rounding alone decides which
    vertices there are.
    """
    return (np.arange(1, depth + 1) * 0.618 % 1).astype("float32")


def blur_gain(depth):
    """Scale that gives (1/2, 1, 1/2) along all axes the sum of the Gaussian over dense points.

    Points per unit of volume times (2 pi)^(d/2), over points per vertex times 2^(d + 1).
    """
    points_per_vertex = 1.5 ** (depth / 2) / math.sqrt(depth + 1)
    return (2 * math.pi) ** (depth / 2) / (points_per_vertex * 2 ** (depth + 1))


class Keys:
    """Vertices as words of 31 bits, in which neighbours are a constant apart.

    Args:
        bounds: d floats, the largest value of each feature; the smallest is zero.

    Raises:
        ValueError: if one coordinate alone needs more than 31 bits.
    """

    def __init__(self, bounds):
        depth = len(bounds)
        matrix = elevation(depth) / (depth + 1)
        ends = (matrix[:, -1:] - matrix[:, :-1]) * np.asarray(bounds)[:, None]
        # A corner is less than 2 from its point, the neighbour of a neighbour 2 further.
        self.lowest = np.floor(np.minimum(ends, 0).sum(0) - 4).astype("int64")
        sizes = np.ceil(np.maximum(ends, 0).sum(0) + 4).astype("int64") - self.lowest + 1
        if sizes.max() > LARGEST_WORD:
            raise ValueError(
                "Bandwidths `sxy` and `srgb` must not be that much smaller than the image for the "
                f"permutohedral filter. Received: features up to {list(bounds)} bandwidths. Use "
                "larger bandwidths or the exact filter."
            )
        self.radices = [[]]
        for size in map(int, sizes):
            if math.prod(self.radices[-1]) * size > LARGEST_WORD:
                self.radices.append([])
            self.radices[-1].append(size)

    def words(self, vertices):
        """Numbers of vertices (..., d): a list of int32 tensors (...), most significant first."""
        columns = ops.unstack(vertices, vertices.shape[-1], axis=-1)
        columns = [column - int(low) for column, low in zip(columns, self.lowest, strict=True)]
        return self._packed(columns)

    def steps(self):
        """What one step along each of the d + 1 axes adds to the words: d + 1 lists of ints."""
        depth = len(self.lowest)
        moves = [*np.eye(depth, dtype=int).tolist(), [-1] * depth]
        return [self._packed(move) for move in moves]

    def _packed(self, columns):
        words, start = [], 0
        for radices in self.radices:
            word = columns[start]
            for size, column in zip(radices[1:], columns[start + 1 :], strict=False):
                word = word * size + column
            words.append(word)
            start += len(radices)
        return words
