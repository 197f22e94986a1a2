"""Bilinear region features as a layer."""

import keras

from keras_struct.layers.region_features import PooledRegions
from keras_struct.ops.region_features import roi_align
from keras_struct.ops.region_features.arguments import check_count
from keras_struct.ops.region_features.levels import CANONICAL_LEVEL, CANONICAL_SIZE


@keras.saving.register_keras_serializable(package="keras_struct")
class RoIAlign(PooledRegions):
    """Average bilinear values in each bin of each box; nothing is rounded.

    The layer form of `keras_struct.ops.roi_align`. Gradients go to the features, not to the boxes.

    Args:
        size: int of at least 1, n, bins along a side.
        sampling: int of at least 1, points along a side of a bin.
        canonical_size: number above 0, pixels. Given several levels, a box reads level
            floor(canonical_level + log2(sqrt(area) / canonical_size)), or else the nearest finer
            one there is, or the finest.
        canonical_level: int, log2 of a stride.

    Call arguments:
        levels: {"P2": (B, h, w, C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.

    Returns:
        (B, R, n, n, C) float32; 0 beyond the map. A box without area gives the value at its point.

    Raises:
        ValueError: if an argument is not as said, or levels or boxes do not have these shapes.

    Example:
        >>> layer = RoIAlign(14)
        >>> layer({"P4": features}, boxes).shape  # 256 channels, 100 boxes an image
        (8, 100, 14, 14, 256)

    Source: He et al. 2017, arXiv:1703.06870, section 3; levels: Lin et al. 2017, arXiv:1612.03144,
    eq. 1.
    """

    arguments = ("size", "sampling", "canonical_size", "canonical_level")

    def __init__(
        self,
        size=7,
        sampling=2,
        canonical_size=CANONICAL_SIZE,
        canonical_level=CANONICAL_LEVEL,
        **kwargs,
    ):
        super().__init__(size, canonical_size, canonical_level, **kwargs)
        self.sampling = check_count(sampling, "sampling")

    def call(self, levels, boxes):
        return roi_align(levels, boxes, **self._arguments())
