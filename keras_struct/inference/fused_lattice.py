"""The permutohedral lattice of an image, built by threads: what `BilateralFilter` is in NumPy.

The image is cut into strips of rows. A strip finds the lattice points it uses by itself and
numbers them in the order it meets them, so that rows that are close use points that are close in
memory, and no two threads write to one point. The points of all strips are then united.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from keras_struct.inference.code_table import EXACT, FIRST_BITS, empty_table, grown_table, insert
from keras_struct.inference.fused_neighbours import connect
from keras_struct.inference.simplices import (
    EXCHANGES,
    SIX,
    SIXTH,
    direction_steps,
    image_lattice,
)
from keras_struct.inference.threads import Team, cut

_ROWS_OF_A_STRIP = 90
_MOST_STRIPS = 32


class Lattice(NamedTuple):
    """The lattice of an image of N pixels in S strips, with L points, the first U of them used.

    Attributes:
        rows: (S + 1,) int64, first row of each strip, and the height.
        corners: (N * 6,) uint32, points around each pixel, as rows of its strip.
        weights: (N * 6,) float32, with the symmetric normalisation in them.
        offsets: (S + 1,) int64, where the rows of each strip start, R in all.
        points: (R,) int32, the point of each row.
        starts: (U + 1,) int32, where the rows of each used point start in `locals`.
        locals: (R,) int32, the rows, by point.
        neighbours: (6, L, 2) int32, before and after each point; L where there is none.
    """

    rows: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    points: np.ndarray
    starts: np.ndarray
    locals: np.ndarray
    neighbours: np.ndarray


def build_lattice(image: np.ndarray, xy: float, rgb: float, team: Team) -> Lattice:
    """Build the lattice of (H, W, 3) uint8 pixels; deviations as in `image_lattice`."""
    height, width = image.shape[:2]
    scales, digits = image_lattice(height, width, xy, rgb)
    # the number of strips, hence every sum, is the same for any number of threads
    strips = min(_MOST_STRIPS, 2 * max(1, round(height / 2 / _ROWS_OF_A_STRIP)), height)
    rows = cut(height, strips)
    corners = np.empty(height * width * 6, "uint32")
    weights = np.empty(height * width * 6, "float32")
    most = int(np.diff(rows).max()) * width * 6
    # only the parts that are used become memory
    codes, masses = np.empty((strips, most), "int64"), np.empty((strips, most), "float32")
    counts = np.zeros(strips, "int64")

    def build(strip):
        span = rows[strip], rows[strip + 1]
        counts[strip] = _build_strip(
            image, *span, scales, digits, corners, weights, codes[strip], masses[strip]
        )

    team.share(build, strips)
    offsets = np.append(0, np.cumsum(counts))
    united, points, keys, slots = _unite(codes, counts, offsets)
    neighbours = connect(united, keys, slots, direction_steps(digits), team)
    starts, local_rows = _by_point(points, len(united))
    norms = _blurred_mass(masses, offsets, points, neighbours)

    def normalise(strip):
        local = norms[points[offsets[strip] : offsets[strip + 1]]]
        first, last = rows[strip] * width * 6, rows[strip + 1] * width * 6
        _normalise(corners[first:last], weights[first:last], local)

    team.share(normalise, strips)
    return Lattice(rows, corners, weights, offsets, points, starts, local_rows, neighbours)


@njit(**EXACT)
def _build_strip(image, top, bottom, scales, digits, corners, weights, codes, masses):
    """Fill corners and weights of the rows of a strip; give the number of its points."""
    width = image.shape[1]
    rest = np.empty((6, width), np.float32)
    digit = np.empty((6, width), np.int64)
    code = np.empty(width, np.int64)
    step = digits.sum()
    bits, count = FIRST_BITS, 0
    keys, slots = empty_table(bits)
    for y in range(top, bottom):
        _sorted_rests(image[y], y, scales, digits, rest, digit, code)
        for x in range(width):
            if 2 * (count + 6) > len(keys):
                bits += 1
                keys, slots = grown_table(codes, count, bits)
            corner_code = code[x]
            place = (y * width + x) * 6
            for corner in range(6):
                rank = 5 - corner
                if rank == 5:
                    weight = np.float32(1) - (rest[0, x] - rest[5, x]) * SIXTH
                else:
                    weight = (rest[rank, x] - rest[rank + 1, x]) * SIXTH
                point = insert(corner_code, keys, slots, count)
                if point == count:
                    codes[count] = corner_code
                    masses[count] = 0
                    count += 1
                masses[point] += weight
                corners[place + corner] = point
                weights[place + corner] = weight
                corner_code += step - 6 * digit[rank, x]
    return count


@njit(**EXACT)
def _sorted_rests(pixels, y, scales, digits, rest, digit, code):
    """What `simplices` computes before it lists the corners, for a row of pixels."""
    width = len(pixels)
    level = np.zeros(width, np.int64)
    place = np.empty((6, width), np.float32)
    for x in range(width):
        above = np.float32(0)
        for axis in range(5, 0, -1):
            if axis > 2:
                feature = np.float32(pixels[x, axis - 3]) * scales[axis - 1]
            else:
                feature = np.float32(y if axis == 2 else x) * scales[axis - 1]
            place[axis, x] = above - np.float32(axis) * feature
            above += feature
        place[0, x] = above
        code[x] = 0
    for axis in range(6):
        here, left, own, radix = place[axis], rest[axis], digit[axis], digits[axis]
        for x in range(width):
            nearest = np.rint(here[x] * SIXTH)
            left[x] = here[x] - SIX * nearest
            whole = np.int64(np.int32(nearest))
            code[x] += 6 * radix * whole
            level[x] += whole
            own[x] = radix
    for i, j in EXCHANGES:
        high, low, first, second = rest[i], rest[j], digit[i], digit[j]
        for x in range(width):
            a, b, p, q = high[x], low[x], first[x], second[x]
            swap = a < b
            high[x] = b if swap else a
            low[x] = a if swap else b
            first[x] = q if swap else p
            second[x] = p if swap else q
    step = digits.sum()
    for x in range(width):
        code[x] -= level[x] * step


@njit(**EXACT)
def _unite(codes, counts, offsets):
    """Number the points of all strips; returns their codes, each row's point, and the table."""
    united = np.empty(offsets[-1], np.int64)
    points = np.empty(offsets[-1], np.int32)
    bits, count = FIRST_BITS, 0
    keys, slots = empty_table(bits)
    for strip in range(len(counts)):
        for row in range(counts[strip]):
            if 2 * (count + 1) > len(keys):
                bits += 1
                keys, slots = grown_table(united, count, bits)
            point = insert(codes[strip, row], keys, slots, count)
            if point == count:
                united[count] = codes[strip, row]
                count += 1
            points[offsets[strip] + row] = point
    return united[:count].copy(), points, keys, slots


@njit(**EXACT)
def _by_point(points, count):
    """The rows of each point: where they start, and which they are."""
    starts = np.zeros(count + 1, np.int32)
    for point in points:
        starts[point + 1] += 1
    for point in range(count):
        starts[point + 1] += starts[point]
    free = starts[:-1].copy()
    rows = np.empty(len(points), np.int32)
    for row in range(len(points)):
        rows[free[points[row]]] = row
        free[points[row]] += 1
    return starts, rows


@njit(**EXACT)
def _blurred_mass(masses, offsets, points, neighbours):
    """(L,) what every point holds if every pixel gives 1."""
    count = neighbours.shape[1]
    given = np.zeros(count + 1, np.float32)
    for strip in range(len(offsets) - 1):
        for row in range(offsets[strip], offsets[strip + 1]):
            given[points[row]] += masses[strip, row - offsets[strip]]
    result = np.zeros(count, np.float32)
    for order in range(2):
        now, then = given.copy(), np.zeros_like(given)
        for number in range(6):
            beside = neighbours[number if order == 0 else 5 - number]
            for point in range(count):
                sides = now[beside[point, 0]] + now[beside[point, 1]]
                then[point] = now[point] + np.float32(0.5) * sides
            now, then = then, now
        result += np.float32(0.5) * now[:count]
    return result


@njit(**EXACT)
def _normalise(corners, weights, mass):
    for pixel in range(0, len(corners), 6):
        held = np.float32(0)
        for corner in range(pixel, pixel + 6):
            held += weights[corner] * mass[corners[corner]]
        scale = np.float32(1) / np.sqrt(held)
        for corner in range(pixel, pixel + 6):
            weights[corner] *= scale
