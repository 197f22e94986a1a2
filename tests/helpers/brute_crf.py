"""Mean field of the fully connected CRF in float64 NumPy, pair by pair: the oracle."""

import numpy as np


def kernel(points):
    """exp(-|a - b|^2 / 2) for all pairs of points (N, D)."""
    return np.exp(-0.5 * ((points[:, None] - points[None]) ** 2).sum(-1))


def normalized(matrix):
    root = np.sqrt(matrix.sum(1))
    return matrix / root[:, None] / root[None]


def softmax(logits):
    exponential = np.exp(logits - logits.max(-1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


def image_points(image, sxy, srgb):
    """Rows, columns and colours of an image (H, W, F) as points (H W, 2 + F)."""
    image = np.asarray(image, "float64")
    rows, columns = np.indices(image.shape[:2])
    features = np.dstack([rows / sxy, columns / sxy, image / srgb])
    return features.reshape(-1, features.shape[-1])


def brute_beliefs(
    logits, image, spatial=(3.0, 3.0), bilateral=(80.0, 13.0, 10.0), energies=None, iterations=10
):
    """Beliefs (H, W, C) of logits (H, W, C) on an image (H, W, F).

    `spatial` is (sxy, weight), `bilateral` (sxy, srgb, weight); weights are numbers or (C,).
    """
    unary = np.asarray(logits, "float64").reshape(-1, logits.shape[-1])
    energies = 1 - np.eye(unary.shape[1]) if energies is None else np.asarray(energies)
    near = normalized(kernel(image_points(image, spatial[0], np.inf)))
    alike = normalized(kernel(image_points(image, *bilateral[:2])))
    beliefs = softmax(unary)
    for _ in range(iterations):
        messages = near @ beliefs * spatial[1] + alike @ beliefs * bilateral[2]
        beliefs = softmax(unary - messages @ energies.T)
    return beliefs.reshape(logits.shape)
