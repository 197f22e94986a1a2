"""The bilateral filter by brute force: the reference for all others."""

import dataclasses

from keras import ops

from keras_struct.ops.gaussian_filters.features import bilateral_features
from keras_struct.ops.gaussian_filters.linear import self_adjoint

# Entries of the kernel that exist at a time, for one image.
_CHUNK = 1 << 21


@dataclasses.dataclass(frozen=True)
class ExactFilter:
    """Sum over all pairs of pixels, a few rows of the kernel at a time.

    Cost: N^2 (C + 10) operations for N pixels and C channels, memory bounded; for references and
    small images. Accuracy: float32.

    Args:
        sxy: float > 0, pixels.
        srgb: float > 0, grey levels.
    """

    sxy: float
    srgb: float

    def build(self, images):
        """Features (B, N, D) of images (B, H, W, F)."""
        features = bilateral_features(images, self.sxy, self.srgb)
        height, width, depth = features.shape[1:]
        return ops.reshape(features, (-1, height * width, depth))

    def apply(self, state, values):
        """Filter values (B, H, W, C)."""
        points = ops.reshape(values, (-1, state.shape[1], values.shape[-1]))
        return ops.reshape(gaussian_sum(state, points), ops.shape(values))


def gaussian_sum(features, values, chunk: int = _CHUNK):
    """Sum exp(-|f_i - f_j|^2 / 2) v_j over all points j, i itself included.

    Args:
        features: (B, N, D) float32.
        values: (B, N, C) float32.
        chunk: int, entries of the N x N kernel that exist at a time, for one image.

    Returns:
        (B, N, C) float32. Its gradient to `values` is exact, to `features` there is none.
    """
    count, depth = features.shape[1:]
    rows = max(1, min(count, chunk // count))
    parts = -(-count // rows)
    padded = ops.pad(features, [[0, 0], [0, parts * rows - count], [0, 0]])
    padded = ops.moveaxis(ops.reshape(padded, (-1, parts, rows, depth)), 1, 0)

    def total(points):
        def some_rows(part):
            # Differences first: |a|^2 + |b|^2 - 2ab loses the digits that count.
            distance = sum(
                ops.square(part[:, :, None, k] - features[:, None, :, k]) for k in range(depth)
            )
            return ops.matmul(ops.exp(-0.5 * distance), points)

        sums = ops.moveaxis(ops.map(some_rows, padded), 0, 1)
        return ops.reshape(sums, (-1, parts * rows, points.shape[-1]))[:, :count]

    return self_adjoint(total, values)
