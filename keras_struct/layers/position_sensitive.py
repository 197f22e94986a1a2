"""Region features whose bins each read channels of their own, as layers."""

import keras

from keras_struct.layers.region_features import PooledRegions
from keras_struct.ops.region_features import (
    position_sensitive_roi_align,
    position_sensitive_roi_pool,
)
from keras_struct.ops.region_features.arguments import check_count
from keras_struct.ops.region_features.levels import CANONICAL_LEVEL, CANONICAL_SIZE
from keras_struct.ops.region_features.position_sensitive import block_channels


@keras.saving.register_keras_serializable(package="keras_struct")
class PositionSensitiveRoIPool(PooledRegions):
    """The mean of the cells of each bin; bin (i, j) reads block i * n + j of the channels alone.

    The layer form of `keras_struct.ops.position_sensitive_roi_pool`.
    Gradients go to the features, not to the boxes.

    Args:
        size: int of at least 1, n, bins along a side.
        canonical_size: number above 0, pixels. Given several levels, a box reads level
            floor(canonical_level + log2(sqrt(area) / canonical_size)), or else the nearest finer
            one there is, or the finest.
        canonical_level: int, log2 of a stride.

    Call arguments:
        levels: {"P2": (B, h, w, n * n * C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.

    Returns:
        (B, R, n, n, C) float32; 0 beyond the map. Boxes are at least one pixel wide and high.

    Raises:
        ValueError: if an argument is not as said, or levels or boxes do not have these shapes.

    Example:
        >>> layer = PositionSensitiveRoIPool(7)
        >>> layer({"P4": features}, boxes).shape  # 7 * 7 * 21 channels, 300 boxes
        (1, 300, 7, 7, 21)

    Source: Dai et al. 2016, arXiv:1605.06409, eq. 1.
    """

    def __init__(
        self,
        size=7,
        canonical_size=CANONICAL_SIZE,
        canonical_level=CANONICAL_LEVEL,
        **kwargs,
    ):
        super().__init__(size, canonical_size, canonical_level, **kwargs)

    def call(self, levels, boxes):
        return position_sensitive_roi_pool(levels, boxes, **self._arguments())

    def region_shape(self, channels):
        return (self.size, self.size, block_channels(channels, self.size))


@keras.saving.register_keras_serializable(package="keras_struct")
class PositionSensitiveRoIAlign(PooledRegions):
    """`RoIAlign` where bin (i, j) reads block i * n + j of the channels alone.

    The layer form of `keras_struct.ops.position_sensitive_roi_align`.
    Gradients go to the features, not to the boxes.

    Args:
        size: int of at least 1, n, bins along a side.
        sampling: int of at least 1, points along a side of a bin.
        canonical_size: number above 0, pixels. Given several levels, a box reads level
            floor(canonical_level + log2(sqrt(area) / canonical_size)), or else the nearest finer
            one there is, or the finest.
        canonical_level: int, log2 of a stride.

    Call arguments:
        levels: {"P2": (B, h, w, n * n * C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.

    Returns:
        (B, R, n, n, C) float32; 0 beyond the map.

    Raises:
        ValueError: if an argument is not as said, or levels or boxes do not have these shapes.

    Example:
        >>> layer = PositionSensitiveRoIAlign(7)
        >>> layer({"P4": features}, boxes).shape  # 7 * 7 * 21 channels, 300 boxes
        (1, 300, 7, 7, 21)

    Source: Dai et al. 2016, arXiv:1605.06409, eq. 1, with points as in He et al. 2017.
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
        return position_sensitive_roi_align(levels, boxes, **self._arguments())

    def region_shape(self, channels):
        return (self.size, self.size, block_channels(channels, self.size))
