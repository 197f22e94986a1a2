"""Mean field of the fully connected CRF in NumPy: slower than the fused one, the same numbers."""

import numpy as np

from keras_struct.inference.simplices import direction_steps, image_lattice, simplices
from keras_struct.inference.spatial_grid import blur_matrix, grid_axis, splat_matrix


def mean_field(logits, image, spatial, bilateral, iterations):
    """Run mean field; see `keras_struct.inference.refine` for what the arguments mean.

    Args:
        logits: (H, W, C) float32, finite.
        image: (H, W, 3) uint8.
        spatial: (deviation, weight).
        bilateral: (deviation in the image, deviation of colours, weight).
        iterations: int.

    Returns:
        (H, W, C) float32 probabilities.
    """
    height, width, labels = logits.shape
    near = SpatialFilter(height, width, spatial[0])
    alike = BilateralFilter(image, *bilateral[:2])
    beliefs = softmax(logits)
    for _ in range(iterations):
        messages = spatial[1] * near(beliefs)
        messages += bilateral[2] * alike(beliefs.reshape(-1, labels)).reshape(logits.shape)
        beliefs = softmax(logits + messages)
    return beliefs


class SpatialFilter:
    """Symmetrically normalised Gaussian of the place, on a grid.

    Args:
        height, width: of the image, pixels.
        deviation: of the Gaussian, pixels.
    """

    def __init__(self, height: int, width: int, deviation: float):
        rows, columns = grid_axis(height, deviation), grid_axis(width, deviation)
        self._rows, self._columns = splat_matrix(rows), splat_matrix(columns)
        self._blurred_rows = _blurred(rows) @ self._rows
        self._blurred_columns = _blurred(columns) @ self._columns

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Filter (H, W, C) float32 values."""
        height, width, channels = values.shape
        grid = self._blurred_rows @ values.reshape(height, -1)
        grid = self._blurred_columns @ grid.reshape(-1, width, channels)
        rows = self._rows.T @ grid.reshape(len(grid), -1)
        return self._columns.T @ rows.reshape(height, -1, channels)


def _blurred(axis):
    return blur_matrix(axis.taps, axis.length).astype("float32")


class BilateralFilter:
    """Symmetrically normalised Gaussian of place and colour, on the permutohedral lattice.

    What blurs from one point to another passes through points between them. Those that no pixel
    uses are added where at least two used points are beside them. What still is lost depends on
    the order of the directions, so both orders are averaged: the kernel is symmetric.

    Args:
        image: (H, W, 3) uint8.
        xy: standard deviation in the image, pixels.
        rgb: standard deviation of each colour.
    """

    def __init__(self, image: np.ndarray, xy: float, rgb: float):
        height, width = image.shape[:2]
        scales, digits = image_lattice(height, width, xy, rgb)
        places = np.mgrid[:height, :width][::-1]
        features = np.concatenate([places, np.moveaxis(image, 2, 0)]).astype("float32")
        codes, self._weights = simplices(features.reshape(5, -1) * scales[:, None], digits)
        steps = direction_steps(digits)
        points = _with_points_between(np.unique(codes), steps)
        self._corners = np.searchsorted(points, codes)
        self._size = len(points)
        self._neighbours = [_find(points, points + step, points - step) for step in steps]
        mass = self._filter(np.ones((codes.shape[1], 1), "float32"))[:, 0]
        self._weights *= 1 / np.sqrt(mass)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Filter (H * W, C) float32 values."""
        return self._filter(values)

    def _filter(self, values):
        points = self._splat(values)
        points = (self._blur(points, 1) + self._blur(points, -1)) * np.float32(0.5)
        result = np.zeros_like(values)
        for corner, weight in zip(self._corners, self._weights, strict=True):
            result += weight[:, None] * points[corner]
        return result

    def _splat(self, values):
        corners = self._corners.ravel()
        columns = [
            np.bincount(corners, (self._weights * column).ravel(), self._size)
            for column in values.T
        ]
        return np.stack(columns, axis=1).astype("float32")

    def _blur(self, points, order):
        nothing = np.zeros((1, points.shape[1]), "float32")
        for before, after in self._neighbours[::order]:
            padded = np.concatenate([points, nothing])
            points = points + np.float32(0.5) * (padded[before] + padded[after])
        return points


def _with_points_between(used, steps):
    """Used points and those beside at least two of them, sorted."""
    beside = np.concatenate([used + step for step in (*steps, *-steps)])
    beside, counts = np.unique(beside, return_counts=True)
    return np.union1d(used, beside[counts >= 2])


def _find(points, *wanted):
    """Indices of codes among the sorted points, one past the last for those that are not there."""
    found = []
    for codes in wanted:
        index = np.minimum(np.searchsorted(points, codes), len(points) - 1)
        found.append(np.where(points[index] == codes, index, len(points)))
    return found


def softmax(logits):
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
