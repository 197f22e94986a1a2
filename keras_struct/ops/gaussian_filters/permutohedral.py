"""The bilateral filter on a permutohedral lattice that is built once for an image."""

import dataclasses
from typing import NamedTuple

from keras import ops

from keras_struct.ops.gaussian_filters.features import LARGEST_COLOUR, bilateral_features
from keras_struct.ops.gaussian_filters.lattice import (
    LARGEST_KEY,
    Keys,
    add_rows,
    blur_gain,
    find_words,
    row_offsets,
    shift,
    simplices,
    sort_words,
    take_rows,
)
from keras_struct.ops.gaussian_filters.linear import self_adjoint
from keras_struct.ops.known import known_int


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
    keys = Keys(bounds + origin)
    vertices, weights = simplices(features + ops.convert_to_tensor(origin))
    pixels, corners = vertices.shape[1:3]
    most = pixels * corners
    words = keys.words(ops.transpose(vertices, (0, 2, 1, 3)))
    words = [ops.reshape(word, (-1, most)) for word in words]
    order = sort_words(words)
    words = [take_rows(word, order) for word in words]
    first = sum(ops.cast(word[:, 1:] != word[:, :-1], "int32") for word in words) > 0
    first = ops.pad(ops.cast(first, "int32"), [[0, 0], [1, 0]], constant_values=1)
    row = ops.cumsum(first, axis=1)
    table = [add_rows(first * word, row, 1 + most)[:, 1:] for word in words]
    count = ops.max(row, axis=1)
    largest = ops.max(count)

    def neighbours(size):
        found = _neighbours([word[:, :size] for word in table], count, keys.steps())
        return ops.pad(found, [[0, 0], [0, 0], [0, most - size]])

    row = ops.reshape(add_rows(row, order, most), (-1, corners, pixels))
    return Lattice(
        ops.transpose(row, (1, 0, 2)),
        ops.reshape(ops.transpose(weights, (2, 0, 1)), (corners, -1, 1)),
        _for_count(largest, _sizes(pixels, most), neighbours),
        largest,
    )


def _neighbours(table, count, steps):
    """Rows before and behind each of the sorted vertices, (2 (d + 1), B, 1 + size)."""
    size = table[0].shape[1]
    rows = ops.arange(1, size + 1, dtype="int32")
    used = rows <= count[:, None]
    table = [ops.where(used, word, LARGEST_KEY) for word in table]
    wanted = [
        ops.concatenate([word + step[part] for step in steps], axis=1)
        for part, word in enumerate(table)
    ]
    place, found = find_words(table, wanted)
    places = ops.split(place + 1, len(steps), axis=1)
    sides = []
    for place, there in zip(places, ops.split(found, len(steps), axis=1), strict=True):
        there = ops.logical_and(there, used)
        before = ops.where(there, place, 0)
        behind = add_rows(ops.where(there, rows, 0), before, 1 + size)
        sides += [ops.pad(before, [[0, 0], [1, 0]]), behind]
    return ops.stack(sides)


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
    most = lattice.neighbours.shape[-1] - 1
    weights = ops.unstack(lattice.weights, corners)
    gain = 0.5 * blur_gain(corners - 1)

    def filtered(size):
        offsets = row_offsets(lattice.corners[0], 1 + size)
        rows = ops.reshape(lattice.corners + offsets, (corners, -1))
        rows = ops.unstack(rows, corners)
        images = ops.shape(lattice.corners)[1]
        table = sum(
            ops.segment_sum(weight * values, row, num_segments=images * (1 + size))
            for weight, row in zip(weights, rows, strict=True)
        )
        table = gain * _blurred(table, lattice.neighbours[..., : 1 + size] + offsets)
        return sum(
            weight * ops.take(table, row, axis=0) for weight, row in zip(weights, rows, strict=True)
        )

    return _for_count(lattice.count, _sizes(pixels, most), filtered)


def _blurred(table, neighbours):
    """Blur along all axes, first to last and last to first, and add."""
    axes = neighbours.shape[0] // 2
    sides = ops.unstack(ops.reshape(neighbours, (2 * axes, -1)), 2 * axes)
    forward = backward = table
    for axis in range(axes):
        forward = _blurred_once(forward, sides[2 * axis : 2 * axis + 2])
        back = axes - 1 - axis
        backward = _blurred_once(backward, sides[2 * back : 2 * back + 2])
    return forward + backward


def _blurred_once(table, sides):
    near = ops.take(table, sides[0], axis=0) + ops.take(table, sides[1], axis=0)
    return table + 0.5 * near


def _sizes(pixels, most):
    """Sizes of tables: photos need a fraction of the vertices that noise can have."""
    return max(1, pixels // 2), most


def _for_count(count, sizes, function):
    """function(size) of the smaller size if it holds `count` vertices, else of the larger."""
    number = known_int(count)
    if number is not None:
        return function(sizes[number > sizes[0]])
    return ops.cond(count <= sizes[0], lambda: function(sizes[0]), lambda: function(sizes[1]))
