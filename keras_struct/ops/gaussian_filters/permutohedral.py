"""The bilateral filter on a permutohedral lattice that is built once for an image."""

import dataclasses
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_struct.ops.gaussian_filters import words as sets
from keras_struct.ops.gaussian_filters.features import LARGEST_COLOUR, bilateral_features
from keras_struct.ops.gaussian_filters.lattice import Keys, blur_gain, shift, simplices
from keras_struct.ops.gaussian_filters.linear import self_adjoint
from keras_struct.ops.known import known_int

# Features are stretched by this: with all neighbours there, photos are then nearest to exact.
_NARROWER = 1.05
# Tables of this size cost next to nothing, so that small images never go without neighbours.
_SMALL = 1 << 14


class Lattice(NamedTuple):
    """Row 0 of a table of vertices is empty: it stands for neighbours that do not exist."""

    corners: object  # (d + 1, B, N) int32, rows of the simplex of each pixel
    weights: object  # (d + 1, B N, 1) float32, barycentric
    neighbours: object  # (2 (d + 1), B, 1 + M) int32, rows before and behind along each axis
    count: object  # () int32, vertices of the image that has most


@dataclasses.dataclass(frozen=True)
class PermutohedralFilter:
    """Splat pixels to the corners of their simplex, blur along the axes, slice.

    The blur runs along the axes forward and backward and takes the mean: more accurate than one
    order, and symmetric, so that its own gradient is the filter again. The cost of an application
    grows with pixels, channels and vertices, not with bandwidths.

    Args:
        sxy: float > 0, pixels.
        srgb: float > 0, grey levels.

    Source: Adams, Baek and Davis 2010; Kraehenbuehl and Koltun 2011, arXiv:1210.5644.
    """

    sxy: float
    srgb: float

    def build(self, images):
        """The lattice of images (B, H, W, F)."""
        features = bilateral_features(images, self.sxy, self.srgb)
        height, width, depth = features.shape[1:]
        bounds = [height / self.sxy, width / self.sxy]
        bounds += [LARGEST_COLOUR / self.srgb] * (depth - 2)
        return build_lattice(ops.reshape(features, (-1, height * width, depth)), bounds)

    def apply(self, state, values):
        """Filter values (B, H, W, C)."""
        pixels = ops.reshape(values, (-1, state.corners.shape[2], values.shape[-1]))
        return ops.reshape(lattice_sum(state, pixels), ops.shape(values))


def build_lattice(features, bounds) -> Lattice:
    """The lattice of points (B, N, d) float32.

    Args:
        features: (B, N, d) float32, in standard deviations of the Gaussian.
        bounds: d floats; feature k lies in 0..bounds[k].
    """
    origin = shift(len(bounds))
    keys = Keys(_NARROWER * np.asarray(bounds) + origin)
    vertices, weights = simplices(_NARROWER * features + ops.convert_to_tensor(origin))
    pixels, corners = vertices.shape[1:3]
    words = keys.words(ops.transpose(vertices, (0, 2, 1, 3)))
    words = [ops.reshape(word, (-1, pixels * corners)) for word in words]
    table, row, count = sets.distinct(words)
    table, moved, count = _completed(table, count, keys.steps(), pixels)
    row = ops.reshape(1 + sets.take_rows(moved, row), (-1, corners, pixels))
    largest, sizes = ops.max(count), _sizes(pixels, table[0].shape[1])

    def neighbours(size):
        found = _neighbours([word[:, :size] for word in table], count, keys.steps())
        return ops.pad(found, [[0, 0], [0, 0], [0, sizes[-1] - size]])

    return Lattice(
        ops.transpose(row, (1, 0, 2)),
        ops.reshape(ops.transpose(weights, (2, 0, 1)), (corners, -1, 1)),
        _for_count(largest, sizes, neighbours),
        largest,
    )


def _completed(table, count, steps, pixels):
    """Add all neighbours of the vertices of an image, if they are few enough.

    Blurring passes on through vertices that no pixel touches, where there are such.

    Args:
        table: list of (B, M) int32, vertices in rising order.
        count: (B,) int32, their number.
        steps: what one step along each axis adds to the words.
        pixels: int, N.

    Returns:
        the new table, (B, max(M, _SMALL)); row (B, M) int32 of each old row in it; its count.
    """
    most = table[0].shape[1]
    size, old = max(most, _SMALL), min(most, max(pixels // 2, _SMALL))
    back = [[-move for move in step] for step in steps]
    stay = [0] * len(table)
    near = _moved([word[:, :old] for word in table], [stay, *steps, *back])
    larger, row, number = sets.distinct(near)
    fits = ops.logical_and(count <= old, number <= size)
    row = ops.where(fits[:, None], _resized(row[:, :old], most), ops.arange(most, dtype="int32"))
    table = [
        ops.where(fits[:, None], _resized(new, size), _resized(word, size))
        for new, word in zip(larger, table, strict=True)
    ]
    return table, row, ops.where(fits, number, count)


def _resized(rows, size):
    """The first `size` of rows (B, M), filled up behind as tables are."""
    missing = max(0, size - rows.shape[1])
    return ops.pad(rows[:, :size], [[0, 0], [0, missing]], constant_values=sets.LARGEST)


def _neighbours(table, count, steps):
    """Rows before and behind each of the sorted vertices, (2 (d + 1), B, 1 + size)."""
    size = table[0].shape[1]
    rows = ops.arange(1, size + 1, dtype="int32")
    used = rows <= count[:, None]
    wanted = _moved(table, steps)
    place, found = sets.find(table, wanted)
    places = ops.split(place + 1, len(steps), axis=1)
    sides = []
    for place, there in zip(places, ops.split(found, len(steps), axis=1), strict=True):
        there = ops.logical_and(there, used)
        before = ops.where(there, place, 0)
        behind = sets.add_rows(ops.where(there, rows, 0), before, 1 + size)
        sides += [ops.pad(before, [[0, 0], [1, 0]]), behind]
    return ops.stack(sides)


def _moved(table, steps):
    """The vertices of a table after each of some steps, one after another, (B, steps M)."""
    used = table[0] < sets.LARGEST
    return [
        ops.concatenate([ops.where(used, word + step[part], word) for step in steps], axis=1)
        for part, word in enumerate(table)
    ]


def lattice_sum(lattice: Lattice, values):
    """Sum of values (B, N, C) with the Gaussian of the lattice's points, about `gaussian_sum`.

    Its gradient to `values` is exact, to the points there is none.
    """

    def total(points):
        flat = ops.reshape(points, (-1, points.shape[-1]))
        return ops.reshape(_filtered(lattice, flat), ops.shape(points))

    return self_adjoint(total, values)


def _filtered(lattice, values):
    """Filter values (B N, C), of all images in one table."""
    corners, _, pixels = lattice.corners.shape
    weights = ops.unstack(lattice.weights, corners)
    gain = 0.5 * blur_gain(corners - 1) * _NARROWER ** (corners - 1)

    def filtered(size):
        images = ops.shape(lattice.corners)[1]
        offsets = sets.row_offsets(lattice.corners[0], 1 + size)
        rows = ops.unstack(ops.reshape(lattice.corners + offsets, (corners, -1)), corners)
        table = sum(
            ops.segment_sum(weight * values, row, num_segments=images * (1 + size))
            for weight, row in zip(weights, rows, strict=True)
        )
        neighbours = lattice.neighbours[..., : 1 + size] + offsets
        table = gain * _blurred(table, ops.reshape(neighbours, (corners, 2, -1)))
        return sum(
            weight * ops.take(table, row, axis=0) for weight, row in zip(weights, rows, strict=True)
        )

    return _for_count(lattice.count, _sizes(pixels, lattice.neighbours.shape[-1] - 1), filtered)


def _blurred(table, sides):
    """Blur along all axes, first to last and last to first, and add."""
    forward = backward = table
    for axis in range(sides.shape[0]):
        forward = forward + 0.5 * ops.sum(ops.take(forward, sides[axis], axis=0), axis=0)
        backward = backward + 0.5 * ops.sum(ops.take(backward, sides[-1 - axis], axis=0), axis=0)
    return forward + backward


def _sizes(pixels, most):
    """Sizes of tables, rising: photos need a fraction of the vertices that noise can have."""
    return [size for size in (pixels // 2, 3 * pixels // 2) if 0 < size < most] + [most]


def _for_count(count, sizes, function):
    """function(size) of the smallest size that holds `count` vertices; sizes are static."""
    number = known_int(count)
    if number is not None:
        return function(next(size for size in sizes if size >= number))
    if len(sizes) == 1:
        return function(sizes[0])
    return ops.cond(
        count <= sizes[0],
        lambda: function(sizes[0]),
        lambda: _for_count(count, sizes[1:], function),
    )
