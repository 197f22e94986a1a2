"""The passes of fused mean field over the pixels and over the lattice, for Numba.

Arrays are flat float32. A lattice point and a grid point have `size` labels, a multiple of eight.
One pass over the pixels of a strip reads the messages of the last iteration from lattice and grid,
takes the softmax, and puts the result into lattice and grid right away: beliefs are never written
to memory, save those of the last iteration.

Compiled code is kept on disk by the time of a function's own file: after a change of `float8` or
`fused_pixels`, touch this one.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from keras_struct.inference.float8 import add, load, multiply, multiply_add, spread, store
from keras_struct.inference.fused_pixels import FAST, message, softmax, splat, start, write

FIRST, MIDDLE, LAST = 0, 1, 2
_CHUNK = 32  # pixels whose labels stay in the fastest cache between the steps
_HALF = np.float32(0.5)


class Grid(NamedTuple):
    """Both axes of the grid of the spatial kernel, see `GridAxis`.

    Attributes:
        rows: (H,) int64, grid row above each row of pixels.
        row_weights: (H, 2) float32 of it and the next.
        row_taps: float32, blur of the rows, times the weight of the kernel.
        columns: (W,) int64, grid column left of each column of pixels.
        column_weights: (W, 2) float32 of it and the next.
        column_taps: float32, blur of the columns.
    """

    rows: np.ndarray
    row_weights: np.ndarray
    row_taps: np.ndarray
    columns: np.ndarray
    column_weights: np.ndarray
    column_taps: np.ndarray


class Points(NamedTuple):
    """Values of the lattice's points.

    Attributes:
        read: (R * size,) float32, messages by strip.
        written: (R * size,) float32, beliefs by strip.
        forward: (U * size,) float32, blurred.
        reverse: (U * size,) float32, blurred in the other order of the directions.
    """

    read: np.ndarray
    written: np.ndarray
    forward: np.ndarray
    reverse: np.ndarray


class Cells(NamedTuple):
    """Values of the grid's points.

    Attributes:
        read: (grid rows, grid columns * size) float32, beliefs of the iteration before.
        written: alike, beliefs of this iteration.
        edges: (S, 2, grid columns * size) float32, what each strip gives to its first two rows,
            which it shares with the strip before.
    """

    read: np.ndarray
    written: np.ndarray
    edges: np.ndarray


@njit(**FAST)
def sweep(kind, strip, lattice, grid, points, cells, logits, limits, beliefs):
    """Pass over the pixels of a strip.

    Args:
        kind: FIRST (without messages), MIDDLE, or LAST (fills `beliefs`).
        strip: its number.
        lattice: `Lattice`.
        grid: `Grid`.
        points: `Points`.
        cells: `Cells`.
        logits: (H * W * labels,) float32.
        limits: (size,) float32, largest value of each label: those too many get a small one.
        beliefs: (H, W, labels) float32.
    """
    size, (_, width, labels) = len(limits), beliefs.shape
    first, last = lattice.offsets[strip], lattice.offsets[strip + 1]
    read = points.read[first * size : last * size]
    written = points.written[first * size : last * size]
    if kind != FIRST:
        _fetch(lattice.points[first:last], points.forward, points.reverse, read, size)
    if kind != LAST:
        written[:] = 0
        _clear(strip, lattice.rows, grid.rows, cells)
    length = cells.read.shape[1]
    blurred = np.empty((2, length), np.float32)
    padded = np.zeros(length + 2 * (len(grid.column_taps) - 1) * size, np.float32)
    across, gathered = np.empty(length, np.float32), np.empty(length, np.float32)
    chunk, peaks = np.empty(_CHUNK * size, np.float32), np.empty(_CHUNK, np.float32)
    tail = np.zeros(_CHUNK * labels + 8, np.float32)
    done = grid.rows[lattice.rows[strip]] - 1
    for y in range(lattice.rows[strip], lattice.rows[strip + 1]):
        above, parts = grid.rows[y], grid.row_weights[y]
        if kind != FIRST:
            while done <= above:
                done += 1
                _blur_grid(done, grid, size, cells.read, padded, blurred[done % 2])
            _mix(parts[0], blurred[above % 2], parts[1], blurred[(above + 1) % 2], across)
        gathered[:] = 0
        for x in range(0, width, _CHUNK):
            end = min(width, x + _CHUNK)
            pixels = slice(y * width + x, y * width + end)
            own = logits[pixels.start * labels : pixels.stop * labels]
            if pixels.stop * labels + 8 > len(logits):  # a label is read with seven others
                tail[: len(own)] = own
                own = tail
            here = grid.columns[x:end], grid.column_weights[x:end]
            corners = lattice.corners[pixels.start * 6 : pixels.stop * 6]
            weights = lattice.weights[pixels.start * 6 : pixels.stop * 6]
            if kind == FIRST:
                start(end - x, own, labels, limits, chunk, peaks)
            else:
                message(own, labels, limits, corners, weights, read, here, across, chunk, peaks)
            softmax(end - x, chunk, peaks, size)
            if kind == LAST:
                write(chunk, peaks, beliefs[y, x:end], size)
            else:
                splat(chunk, peaks, corners, weights, written, here, gathered, size)
        if kind != LAST:
            _add_row(strip, y, lattice.rows, grid, gathered, cells)


@njit(**FAST)
def _fetch(numbers, forward, reverse, read, size):
    """Copy the points of a strip to where it reads them."""
    for row in range(len(numbers)):
        point, place = np.int64(numbers[row]) * size, row * size
        for lane in range(0, size, 8):
            both = add(load(forward, point + lane), load(reverse, point + lane))
            store(read, place + lane, both)


@njit(**FAST)
def _clear(strip, strip_rows, rows, cells):
    """Zero the grid rows that belong to a strip: those up to the first two of the next."""
    cells.edges[strip] = 0
    end = len(cells.written)
    if strip + 2 < len(strip_rows):
        end = rows[strip_rows[strip + 1]] + 2
    cells.written[rows[strip_rows[strip]] + 2 : end] = 0


@njit(**FAST)
def _mix(a, first, b, second, result):
    for i in range(len(result)):
        result[i] = a * first[i] + b * second[i]


@njit(**FAST)
def _add_row(strip, y, strip_rows, grid, gathered, cells):
    """Add what the pixels of row y gave to the grid rows above and below it."""
    shared = grid.rows[strip_rows[strip]]
    for side in range(2):
        row, weight = grid.rows[y] + side, grid.row_weights[y, side]
        target = cells.edges[strip, row - shared] if row < shared + 2 else cells.written[row]
        for i in range(len(gathered)):
            target[i] += weight * gathered[i]


@njit(**FAST)
def _blur_grid(y, grid, size, read, padded, result):
    """Row y of the blurred grid; `padded` is overwritten but for the zeros around it."""
    length, reach = len(result), (len(grid.column_taps) - 1) * size
    row = padded[reach : reach + length]
    _mix(grid.row_taps[0], read[y], np.float32(0), read[y], row)
    for distance in range(1, len(grid.row_taps)):
        above, below = y - distance, y + distance
        if above >= 0 and below < len(read):
            _add_both(grid.row_taps[distance], read[above], read[below], row)
        elif above >= 0:
            _add_both(grid.row_taps[distance] * _HALF, read[above], read[above], row)
        elif below < len(read):
            _add_both(grid.row_taps[distance] * _HALF, read[below], read[below], row)
    _mix(grid.column_taps[0], row, np.float32(0), row, result)
    for distance in range(1, len(grid.column_taps)):
        left, right = reach - distance * size, reach + distance * size
        before, after = padded[left : left + length], padded[right : right + length]
        _add_both(grid.column_taps[distance], before, after, result)


@njit(**FAST)
def _add_both(weight, first, second, result):
    for i in range(len(result)):
        result[i] += weight * (first[i] + second[i])


@njit(**FAST)
def blur_lattice(order, weight, size, lattice, written, now, then, result):
    """Unite the points of all strips and blur them, times `weight`, eight labels at a time.

    Args:
        order: 0 for the directions one after the other, 1 for the last one first.
        weight: float32.
        size: labels, filled up to a multiple of eight.
        lattice: `Lattice`.
        written: (R * size,) what the strips wrote.
        now: ((L + 1) * 8,) memory; its last point is 0 and stands for those there are not.
        then: like `now`.
        result: (U * size,) the blurred values of the used points.
    """
    used, scale = len(lattice.starts) - 1, spread(weight)
    for lane in range(0, size, 8):
        for point in range(used):
            held = spread(np.float32(0))
            for number in range(lattice.starts[point], lattice.starts[point + 1]):
                held = add(held, load(written, np.int64(lattice.locals[number]) * size + lane))
            store(now, point * 8, multiply(scale, held))
        now[used * 8 :] = 0
        for number in range(5):
            beside = lattice.neighbours[number if order == 0 else 5 - number]
            _blur(beside, now, then, 8, 0)
            now, then = then, now
        beside = lattice.neighbours[5 if order == 0 else 0]
        _blur(beside[:used], now, result, size, lane)
        now, then = then, now


@njit(**FAST)
def _blur(beside, now, result, step, lane):
    half = spread(_HALF)
    for point in range(len(beside)):
        before, after = np.int64(beside[point, 0]) * 8, np.int64(beside[point, 1]) * 8
        sides = add(load(now, before), load(now, after))
        store(result, point * step + lane, multiply_add(half, sides, load(now, point * 8)))
