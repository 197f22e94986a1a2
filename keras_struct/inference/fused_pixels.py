"""What fused mean field does with a chunk of pixels, for Numba; see `fused_passes`.

Potentials and then beliefs of the chunk are in `chunk`, `size` labels for each pixel, a multiple
of eight. The last labels are no labels: `limits` keeps their potentials so small that they get
no probability.
"""

import numpy as np
from numba import njit

from keras_struct.inference.float8 import (
    add,
    exponential,
    larger,
    largest,
    load,
    multiply_add,
    smaller,
    spread,
    store,
    subtract,
    total,
)

FAST = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}


@njit(**FAST)
def start(count, logits, labels, limits, chunk, peaks):
    """Unary potentials of some pixels, and the largest of each."""
    size = len(limits)
    for pixel in range(count):
        peak = spread(np.float32(-1e30))
        for lane in range(0, size, 8):
            own = smaller(load(logits, pixel * labels + lane), load(limits, lane))
            peak = larger(peak, own)
            store(chunk, pixel * size + lane, own)
        peaks[pixel] = largest(peak)


@njit(**FAST)
def message(logits, labels, limits, corners, weights, read, here, across, chunk, peaks):
    """Unary potentials and messages of some pixels, and the largest of each."""
    size, (columns, column_weights) = len(limits), here
    for pixel in range(len(columns)):
        c = 6 * pixel
        p0, p1 = np.int64(corners[c]) * size, np.int64(corners[c + 1]) * size
        p2, p3 = np.int64(corners[c + 2]) * size, np.int64(corners[c + 3]) * size
        p4, p5 = np.int64(corners[c + 4]) * size, np.int64(corners[c + 5]) * size
        w0, w1, w2 = spread(weights[c]), spread(weights[c + 1]), spread(weights[c + 2])
        w3, w4, w5 = spread(weights[c + 3]), spread(weights[c + 4]), spread(weights[c + 5])
        left = columns[pixel] * size
        w_left, w_right = spread(column_weights[pixel, 0]), spread(column_weights[pixel, 1])
        place, peak = pixel * size, spread(np.float32(-1e30))
        for lane in range(0, size, 8):
            sum_ = smaller(load(logits, pixel * labels + lane), load(limits, lane))
            sum_ = multiply_add(w0, load(read, p0 + lane), sum_)
            sum_ = multiply_add(w1, load(read, p1 + lane), sum_)
            sum_ = multiply_add(w2, load(read, p2 + lane), sum_)
            sum_ = multiply_add(w3, load(read, p3 + lane), sum_)
            sum_ = multiply_add(w4, load(read, p4 + lane), sum_)
            sum_ = multiply_add(w5, load(read, p5 + lane), sum_)
            sum_ = multiply_add(w_left, load(across, left + lane), sum_)
            sum_ = multiply_add(w_right, load(across, left + size + lane), sum_)
            peak = larger(peak, sum_)
            store(chunk, place + lane, sum_)
        peaks[pixel] = largest(peak)


@njit(**FAST)
def softmax(count, chunk, peaks, size):
    """Turn potentials into beliefs times their sum, and peaks into 1 / sum."""
    for pixel in range(count):
        peak, mass = spread(peaks[pixel]), spread(np.float32(0))
        for place in range(pixel * size, (pixel + 1) * size, 8):
            power = exponential(subtract(load(chunk, place), peak))
            mass = add(mass, power)
            store(chunk, place, power)
        peaks[pixel] = np.float32(1) / total(mass)


@njit(**FAST)
def write(chunk, scales, beliefs, size):
    """Write beliefs to where the result is."""
    for pixel in range(len(beliefs)):
        for label in range(beliefs.shape[1]):
            beliefs[pixel, label] = chunk[pixel * size + label] * scales[pixel]


@njit(**FAST)
def splat(chunk, scales, corners, weights, written, here, gathered, size):
    """Share beliefs out to the lattice and to a grid row."""
    columns, column_weights = here
    for pixel in range(len(columns)):
        c, scale = 6 * pixel, scales[pixel]
        p0, p1 = np.int64(corners[c]) * size, np.int64(corners[c + 1]) * size
        p2, p3 = np.int64(corners[c + 2]) * size, np.int64(corners[c + 3]) * size
        p4, p5 = np.int64(corners[c + 4]) * size, np.int64(corners[c + 5]) * size
        w0, w1 = spread(weights[c] * scale), spread(weights[c + 1] * scale)
        w2, w3 = spread(weights[c + 2] * scale), spread(weights[c + 3] * scale)
        w4, w5 = spread(weights[c + 4] * scale), spread(weights[c + 5] * scale)
        left = columns[pixel] * size
        w_left = spread(column_weights[pixel, 0] * scale)
        w_right = spread(column_weights[pixel, 1] * scale)
        for lane in range(0, size, 8):
            belief = load(chunk, pixel * size + lane)
            _increase(written, p0 + lane, w0, belief)
            _increase(written, p1 + lane, w1, belief)
            _increase(written, p2 + lane, w2, belief)
            _increase(written, p3 + lane, w3, belief)
            _increase(written, p4 + lane, w4, belief)
            _increase(written, p5 + lane, w5, belief)
            _increase(gathered, left + lane, w_left, belief)
            _increase(gathered, left + size + lane, w_right, belief)


@njit(**FAST)
def _increase(array, place, weight, value):
    store(array, place, multiply_add(weight, value, load(array, place)))
