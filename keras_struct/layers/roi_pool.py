"""Max pooled region features as a layer."""

import keras

from keras_struct.layers.region_features import PooledRegions
from keras_struct.ops.region_features import roi_pool
from keras_struct.ops.region_features.levels import CANONICAL_LEVEL, CANONICAL_SIZE


@keras.saving.register_keras_serializable(package="keras_struct")
class RoIPool(PooledRegions):
    """The largest value in each bin of each box, in whole cells.

    The layer form of `keras_struct.ops.roi_pool`. Gradients go to the features, not to the boxes.

    Args:
        size: int of at least 1, n, bins along a side.
        canonical_size: number above 0, pixels. Given several levels, a box reads level
            floor(canonical_level + log2(sqrt(area) / canonical_size)), or else the nearest finer
            one there is, or the finest.
        canonical_level: int, log2 of a stride.

    Call arguments:
        levels: {"P2": (B, h, w, C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.

    Returns:
        (B, R, n, n, C) float32; 0 beyond the map. A box without area gives the cell at its point.

    Raises:
        ValueError: if an argument is not as said, or levels or boxes do not have these shapes.

    Example:
        >>> layer = RoIPool(7)
        >>> layer({"P4": features}, boxes).shape  # 512 channels, 128 boxes an image
        (2, 128, 7, 7, 512)

    Source: Girshick 2015, arXiv:1504.08083, section 2.1.
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
        return roi_pool(levels, boxes, **self._arguments())
