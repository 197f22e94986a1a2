"""Max pooling of boxes at several sizes of bins, as a layer."""

import keras

from keras_struct.layers.region_features import RegionFeatures
from keras_struct.ops.region_features import spatial_pyramid_pooling
from keras_struct.ops.region_features.arguments import check_canonical
from keras_struct.ops.region_features.levels import CANONICAL_LEVEL, CANONICAL_SIZE
from keras_struct.ops.region_features.spatial_pyramid import check_bins


@keras.saving.register_keras_serializable(package="keras_struct")
class SpatialPyramidPooling(RegionFeatures):
    """Join max pools of several sizes: as many numbers for a box, or an image, of any size.

    The layer form of `keras_struct.ops.spatial_pyramid_pooling`.

    Args:
        bins: ints of at least 1, bins along a side of each part.
        canonical_size: number above 0, pixels. Given several levels, a box reads level
            floor(canonical_level + log2(sqrt(area) / canonical_size)), or else the nearest finer
            one there is, or the finest.
        canonical_level: int, log2 of a stride.

    Call arguments:
        levels: {"P2": (B, h, w, C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.

    Returns:
        (B, R, sum(n * n) * C) float32: for each of `bins` in order, rows, columns, channels.

    Raises:
        ValueError: if an argument is not as said, or levels or boxes do not have these shapes.

    Example:
        >>> layer = SpatialPyramidPooling()
        >>> layer({"P4": features}, boxes).shape  # 256 channels, 2000 boxes
        (1, 2000, 12800)

    Source: He et al. 2014, arXiv:1406.4729, sections 2.2 and 4.1.
    """

    arguments = ("bins", "canonical_size", "canonical_level")

    def __init__(
        self,
        bins=(6, 3, 2, 1),
        canonical_size=CANONICAL_SIZE,
        canonical_level=CANONICAL_LEVEL,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.bins = check_bins(bins)
        check_canonical(canonical_size, canonical_level)
        self.canonical_size, self.canonical_level = canonical_size, canonical_level

    def call(self, levels, boxes):
        return spatial_pyramid_pooling(levels, boxes, **self._arguments())

    def region_shape(self, channels):
        return (sum(count**2 for count in self.bins) * channels,)
