"""A few colours that stand for all colours of an image, and the Gaussian between them."""

import numpy as np
from keras import ops

# Pixels among which colours are chosen, and parts of the image that each give one at a time.
_SAMPLES = 2048
_PARTS = (2, 4)
# Added to the Gaussian of the palette, which is singular where colours are nearly the same.
_JITTER = 1e-2
_SHORT = 1 - 1e-6


def palette(colours, count: int):
    """Choose colours that leave no other far away.

    The mean colour, then those farthest from all before, one of each eighth of the image at a time;
    at last each becomes the mean of the colours nearest to it.

    Args:
        colours: (B, H, W, F) float32; about 2000 pixels of a regular grid are looked at.
        count: int, K.

    Returns:
        (B, K, F) float32.
    """
    samples = _samples(colours)
    parts, size, depth = samples.shape[1:]
    flat = ops.reshape(samples, (-1, parts * size, depth))
    chosen = [ops.mean(flat, axis=1, keepdims=True)]
    distance = _nearest(flat, chosen[0])
    for _ in range(-(-(count - 1) // parts)):
        # One-hot instead of an index, which the device runtimes would gather with.
        each = ops.reshape(distance, (-1, parts, size, 1))
        # Short of the largest by rounding: a compiler may compute both sides apart.
        farthest = each >= _SHORT * ops.max(each, axis=2, keepdims=True)
        farthest = ops.cast(farthest, "float32")
        chosen.append(ops.sum(farthest * samples, axis=2) / ops.sum(farthest, axis=2))
        distance = ops.minimum(distance, _nearest(flat, chosen[-1]))
    return _averaged(ops.concatenate(chosen, axis=1)[:, :count], flat)


def _samples(colours):
    """Pixels of a regular grid by parts of the image, (B, parts, pixels of a part, F)."""
    height, width, depth = colours.shape[1:]
    step = max(1, round((height * width / _SAMPLES) ** 0.5))
    colours = colours[:, step // 2 :: step, step // 2 :: step]
    sides = colours.shape[1:3]
    down, right = (min(parts, side) for parts, side in zip(_PARTS, sides, strict=True))
    height, width = sides[0] // down, sides[1] // right
    colours = colours[:, : down * height, : right * width]
    colours = ops.reshape(colours, (-1, height, right, width * depth))
    colours = ops.transpose(colours, (0, 2, 1, 3))
    return ops.reshape(colours, (-1, down * right, height * width, depth))


def _nearest(colours, chosen):
    """Squared distance of colours (B, N, F) to the nearest of (B, K, F): (B, N, 1)."""
    return ops.min(_squares(colours, chosen), axis=-1, keepdims=True)


def _squares(colours, others):
    """Squared distances of colours (B, N, F) and (B, K, F): (B, N, K)."""
    return sum(
        ops.square(colours[:, :, None, k] - others[:, None, :, k]) for k in range(colours.shape[-1])
    )


def _averaged(chosen, colours):
    """The mean of those colours (B, N, F) that are nearest to each of (B, K, F)."""
    squares = _squares(colours, chosen)
    nearest = ops.cast(squares <= ops.min(squares, axis=-1, keepdims=True), "float32")
    number = ops.sum(nearest, axis=1)[:, :, None]
    means = ops.matmul(ops.transpose(nearest, (0, 2, 1)), colours) / ops.maximum(number, 1.0)
    return ops.where(number > 0, means, chosen)


def likeness(colours, others):
    """exp(-|a - b|^2 / 2) of colours (B, N, F) and (B, K, F): (B, N, K)."""
    return ops.exp(-0.5 * _squares(colours, others))


def between(colours):
    """The matrix M (B, K, K) with likeness(a, P) M likeness(P, b) about likeness(a, b).

    It is the inverse of likeness(P, P), the Nystroem approximation, by Newton's iteration: matrix
    products run on every device.

    Args:
        colours: (B, K, F) float32, the palette P.
    """
    count = colours.shape[1]
    identity = np.eye(count, dtype="float32")
    matrix = likeness(colours, colours) + _JITTER * identity
    largest = ops.max(ops.sum(matrix, axis=-1, keepdims=True), axis=1, keepdims=True)
    inverse = identity / largest
    # Errors 1 - e, e at least jitter / K, are squared each time until float32 ends it.
    for _ in range(int(np.ceil(np.log2(count / _JITTER))) + 4):
        inverse = ops.matmul(inverse, 2.0 * identity - ops.matmul(matrix, inverse))
    return 0.5 * (inverse + ops.transpose(inverse, (0, 2, 1)))
