"""The permutohedral lattice of five features: where points lie in it and which points are beside.

The lattice cuts space into simplices with six corners each. A point is shared out to the corners
around it; blurring the corners along the lattice's six directions and reading the point back out
filters it with a Gaussian of its features, at a cost that grows with the points alone.

A lattice point has six whole coordinates that sum to zero. Here it is one number, its code: the
coordinates as digits of a number whose digits have different ranges. So a step along a direction
is the addition of one constant.

`simplices` finds them in NumPy. `fused_lattice`, compiled, does the same arithmetic in the same
order, so that both put every point into the same simplex.

Source: Adams et al. 2010, "Fast high-dimensional filtering using the permutohedral lattice".
Deviations: corners from a sort in place of ranks, points added between those that pixels use, and
`NARROWING`.
"""

import numpy as np

FEATURES, DIRECTIONS = 5, 6
# The lattice's kernel is wider than the Gaussian it stands for: with features stretched by this its
# error is least, 0.4 of that without, on photos at bandwidths of 15 to 60 pixels, 6 to 30 colours.
NARROWING = 1.06
# Exchanges that sort six values, falling.
EXCHANGES = ((0, 5), (1, 3), (2, 4), (1, 2), (3, 4), (0, 3))
EXCHANGES += ((2, 5), (0, 1), (2, 3), (4, 5), (1, 2), (3, 4))
_MARGIN = 20  # more than a corner and its neighbours are away from a point
_ONE, SIX, SIXTH = np.float32(1), np.float32(6), np.float32(1 / 6)


def image_lattice(height: int, width: int, xy: float, rgb: float):
    """The lattice of an image whose features are x, y, red, green and blue.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        xy: standard deviation in the image, pixels.
        rgb: standard deviation of each colour, whose values are 0 to 255.

    Returns:
        scales: (5,) float32, factors that bring features to the lattice's units.
        digits: (6,) int64, what each coordinate counts in a code; 0 for the last one, which
            follows from the others.

    Raises:
        ValueError: if the lattice would have more points than codes.
    """
    axis = np.arange(1, FEATURES + 1)
    # splatting, blurring and slicing together have the variance 2/3 (d + 1)^2
    unit = np.sqrt(2 / 3) * DIRECTIONS / np.sqrt(axis * (axis + 1))
    scales = NARROWING * unit / np.array([xy, xy, rgb, rgb, rgb])
    extents = scales * [width, height, 256, 256, 256]
    return scales.astype("float32"), _digits(extents)


def _digits(extents):
    axis = np.arange(FEATURES)
    above = np.append(np.cumsum(extents[::-1])[::-1], 0)
    spans = np.ceil(above[:FEATURES] + axis * np.append(0, extents[:-1])) + 2 * _MARGIN
    if np.prod(spans) >= 2.0**62:
        raise ValueError(
            "`bilateral` must have bandwidths that are not that small beside the image: its "
            f"lattice spans {' x '.join(f'{span:.0f}' for span in spans)} points. Use larger ones."
        )
    digits = np.cumprod(np.append(1, spans[:0:-1]))[::-1]
    return np.append(digits, 0).astype("int64")


def simplices(features, digits):
    """Corners of the simplex around each point, and how much of the point each one gets.

    Args:
        features: (5, n) float32, in lattice units.
        digits: (6,) int64 of `code_digits`.

    Returns:
        codes: (6, n) int64.
        weights: (6, n) float32, sums to 1 over the corners.
    """
    count = features.shape[1]
    rest = np.empty((6, count), np.float32)
    digit = np.empty((6, count), np.int64)
    code = np.zeros(count, np.int64)
    level = np.zeros(count, np.int64)
    above = np.zeros(count, np.float32)
    for axis in range(5, -1, -1):
        if axis > 0:
            place = above - np.float32(axis) * features[axis - 1]
            above = above + features[axis - 1]
        else:
            place = above
        nearest = np.rint(place * SIXTH)
        rest[axis] = place - SIX * nearest
        whole = nearest.astype(np.int64)
        code += 6 * digits[axis] * whole
        level += whole
        digit[axis] = digits[axis]
    for i, j in EXCHANGES:
        moved = (digit[j] - digit[i]) * (rest[i] < rest[j])
        low = np.minimum(rest[i], rest[j])
        rest[i] = np.maximum(rest[i], rest[j])
        rest[j] = low
        digit[i] += moved
        digit[j] -= moved
    codes = np.empty((6, count), np.int64)
    weights = np.empty((6, count), np.float32)
    step = digits.sum()
    # back onto the plane whose coordinates sum to zero
    code -= level * step
    for corner in range(6):
        rank = 5 - corner
        codes[corner] = code
        code += step - 6 * digit[rank]
        if rank == 5:
            weights[corner] = _ONE - (rest[0] - rest[5]) * SIXTH
        else:
            weights[corner] = (rest[rank] - rest[rank + 1]) * SIXTH
    return codes, weights


def direction_steps(digits: np.ndarray) -> np.ndarray:
    """(6,) int64: what a step along each direction adds to a code."""
    return 6 * digits - digits.sum()
