"""The Gaussian of positions alone: separable, hence exact at little cost."""

import dataclasses
import math

import numpy as np
from keras import ops

# exp(-5.5^2 / 2) is 3e-7: below it float32 sums do not change.
_REACH = 5.5
_BLOCK = 64


@dataclasses.dataclass(frozen=True)
class SpatialFilter:
    """Two banded matrix products, one along each side of the image.

    Cost: about 22 sxy + 128 multiplications for each value, at most H + W. Accuracy: float32.

    Args:
        sxy: float > 0, pixels.
    """

    sxy: float

    def build(self, images):
        """Nothing: the kernel is the same for all images."""
        return ()

    def apply(self, state, values):
        """Filter values (B, H, W, C)."""
        height, width, channels = values.shape[1:]
        columns = ops.reshape(values, (-1, height, width * channels))
        columns = _along_rows(columns, self.sxy)
        rows = ops.reshape(columns, (-1, width, channels))
        return ops.reshape(_along_rows(rows, self.sxy), (-1, height, width, channels))


def gaussian_matrix(targets, sources, sigma: float):
    """exp(-(t - s)^2 / (2 sigma^2)) for all pairs, as float32 numpy."""
    distance = np.subtract.outer(targets, sources) / sigma
    return np.exp(-0.5 * distance**2).astype("float32")


def _along_rows(values, sigma):
    """Filter the middle axis of (B, M, K), a block of outputs at a time."""
    size, reach = values.shape[1], math.ceil(_REACH * sigma)
    block = max(_BLOCK, 2 * reach)
    parts = []
    for start in range(0, size, block):
        stop = min(start + block, size)
        low, high = max(0, start - reach), min(size, stop + reach)
        weights = gaussian_matrix(np.arange(start, stop), np.arange(low, high), sigma)
        parts.append(ops.matmul(ops.convert_to_tensor(weights), values[:, low:high]))
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
