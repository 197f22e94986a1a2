"""Mean field of the fully connected CRF, fast: NumPy's numbers by compiled passes on all cores."""

import numpy as np

from keras_struct.inference import fused_passes as passes
from keras_struct.inference.fused_lattice import build_lattice
from keras_struct.inference.plain_mean_field import softmax
from keras_struct.inference.spatial_grid import grid_axis
from keras_struct.inference.threads import Team, available_threads


def mean_field(logits, image, spatial, bilateral, iterations, threads=None):
    """Run mean field; the arguments are those of `plain_mean_field.mean_field`.

    Args:
        logits: (H, W, C) float32, finite.
        image: (H, W, 3) uint8.
        spatial: (deviation, weight).
        bilateral: (deviation in the image, deviation of colours, weight).
        iterations: int.
        threads: int, or None for all cores this process may use. The numbers do not depend on it.

    Returns:
        (H, W, C) float32 probabilities.
    """
    if iterations == 0:
        return softmax(logits)
    with Team(threads or available_threads()) as team:
        state = _State(logits, image, spatial, bilateral, team)
        state.sweep(passes.FIRST)
        for iteration in range(iterations):
            state.blur()
            state.sweep(passes.LAST if iteration == iterations - 1 else passes.MIDDLE)
        return state.beliefs


class _State:
    """Lattice, grid and memory of one image."""

    def __init__(self, logits, image, spatial, bilateral, team):
        height, width, labels = logits.shape
        self._team, self._logits, self.beliefs = team, logits.ravel(), np.empty_like(logits)
        size = -(-labels // 8) * 8
        self._limits = np.full(size, np.finfo("float32").max, "float32")
        self._limits[labels:] = -1e30
        self._lattice = build_lattice(image, *bilateral[:2], team)
        self._strips = len(self._lattice.rows) - 1
        rows, columns = grid_axis(height, spatial[0]), grid_axis(width, spatial[0])
        taps = rows.taps * np.float32(spatial[1])
        self._grid = passes.Grid(
            rows.first, rows.weights, taps, columns.first, columns.weights, columns.taps
        )
        length = columns.length * size
        self._cells = passes.Cells(
            np.empty((rows.length, length), "float32"),
            np.empty((rows.length, length), "float32"),
            np.empty((self._strips, 2, length), "float32"),
        )
        # each order of the blur has memory to write to in turns
        points = self._lattice.neighbours.shape[1] + 1
        self._memory = np.zeros((2, 2, points * 8), "float32")
        used = (len(self._lattice.starts) - 1) * size
        local = self._lattice.offsets[-1] * size
        sizes = (local, local, used, used)
        self._points = passes.Points(*(np.empty(length, "float32") for length in sizes))
        self._weight = np.float32(bilateral[2] / 2)

    def sweep(self, kind):
        """Pass over all pixels."""
        arguments = self._lattice, self._grid, self._points, self._cells
        pixels = self._logits, self._limits, self.beliefs
        self._team.share(lambda strip: passes.sweep(kind, strip, *arguments, *pixels), self._strips)
        if kind == passes.LAST:
            return
        for strip in range(self._strips):
            row = self._grid.rows[self._lattice.rows[strip]]
            shared, edge = self._cells.written[row : row + 2], self._cells.edges[strip]
            shared[...] = edge if strip == 0 else shared + edge
        read, written, edges = self._cells
        self._cells = passes.Cells(written, read, edges)

    def blur(self):
        """Blur the lattice in both orders of its directions."""
        points, size = self._points, len(self._limits)
        results = points.forward, points.reverse

        def work(order):
            passes.blur_lattice(
                order,
                self._weight,
                size,
                self._lattice,
                points.written,
                *self._memory[order],
                results[order],
            )

        self._team.share(work, 2)
