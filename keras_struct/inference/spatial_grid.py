"""One axis of the grid on which the spatial Gaussian is computed.

As the lattice does for five features, pixels are shared out to the two grid points beside them,
the grid is blurred, and the pixels read it. Along each axis by itself, as this Gaussian is a
product of one in x and one in y. A wide Gaussian has a coarse grid, so the cost does not grow.
"""

import math
from dataclasses import dataclass

import numpy as np

_FINEST = 1.4  # least deviation in grid steps: below it the grid is seen in the kernel
_REACH = 3.0  # deviations after which the blur is cut


@dataclass(frozen=True)
class GridAxis:
    """How the pixels of an axis and its grid belong together.

    Attributes:
        first: (n,) int64, grid point below each pixel; the other one is the next.
        weights: (n, 2) float32 of the two, with the symmetric normalisation in them.
        taps: (r + 1,) float32, the blur at distance 0, 1 ... r grid points.
        length: grid points of the axis.
    """

    first: np.ndarray
    weights: np.ndarray
    taps: np.ndarray
    length: int


def grid_axis(pixels: int, deviation: float) -> GridAxis:
    """Lay the grid for a Gaussian.

    Args:
        pixels: length of the axis.
        deviation: standard deviation of the Gaussian, pixels.
    """
    step = 2 ** max(0, math.floor(math.log2(deviation / _FINEST)))
    # pixels and grid points share the middle of the first `step` pixels
    place = (np.arange(pixels) + 0.5) / step - 0.5
    place -= np.floor(place[0])
    first = np.floor(place).astype("int64")
    share = place - first
    length = int(first[-1]) + 2
    # sharing out and reading widen the kernel by the variance of their tent, each
    tent = (2 * step**2 + 1) / 12 if step > 1 else 0.0
    width = math.sqrt(deviation**2 - 2 * tent) / step
    reach = max(1, round(_REACH * width))
    taps = np.exp(-0.5 * (np.arange(reach + 1) / width) ** 2)
    weights = np.stack([1 - share, share], axis=1)
    mass = _interpolate(
        weights, first, blur_matrix(taps, length) @ _collect(weights, first, length)
    )
    weights /= np.sqrt(mass)[:, None]
    return GridAxis(first, weights.astype("float32"), taps.astype("float32"), length)


def blur_matrix(taps: np.ndarray, length: int) -> np.ndarray:
    """(length, length) float64 matrix of a symmetric blur."""
    points = np.arange(length)
    distance = np.abs(points[:, None] - points)
    return np.append(taps, 0.0)[np.minimum(distance, len(taps))]


def splat_matrix(axis: GridAxis) -> np.ndarray:
    """(length, n) float32 matrix that shares pixels out to the grid."""
    matrix = np.zeros((axis.length, len(axis.first)), "float32")
    pixels = np.arange(len(axis.first))
    matrix[axis.first, pixels] = axis.weights[:, 0]
    matrix[axis.first + 1, pixels] = axis.weights[:, 1]
    return matrix


def _collect(weights, first, length):
    below = np.bincount(first, weights[:, 0], length)
    return below + np.bincount(first + 1, weights[:, 1], length)


def _interpolate(weights, first, values):
    return weights[:, 0] * values[first] + weights[:, 1] * values[first + 1]
