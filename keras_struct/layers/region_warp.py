"""Pieces of the image, brought to one size, as a layer."""

import keras

from keras_struct.layers.region_features import RegionFeatures
from keras_struct.ops.region_features import region_warp
from keras_struct.ops.region_features.region_warp import MEAN_COLOUR, check_fill, check_warp


@keras.saving.register_keras_serializable(package="keras_struct")
class RegionWarp(RegionFeatures):
    """Cut boxes with some context out of images and stretch them to a square.

    The layer form of `keras_struct.ops.region_warp`.

    Args:
        size: int, n, pixels of a side of the result.
        context: int, pixels of the result around the box on each side.
        fill: number, or one for each channel: the colour outside the image. By default the mean
            red, green and blue of ImageNet.

    Call arguments:
        levels: {"P0": images (B, H, W, C)}.
        boxes: (B, R, 4) float32, xyxy, pixels of the images.

    Returns:
        (B, R, n, n, C) float32. A box without area gives the colour at its point.

    Raises:
        ValueError: if an argument is not as said, or levels or boxes do not have these shapes.

    Example:
        >>> layer = RegionWarp(224)
        >>> layer({"P0": images}, boxes).shape
        (1, 2000, 224, 224, 3)

    Source: Girshick et al. 2014, arXiv:1311.2524, appendix A.
    """

    arguments = ("size", "context", "fill")

    def __init__(self, size=224, context=16, fill=MEAN_COLOUR, **kwargs):
        super().__init__(**kwargs)
        check_warp(size, context)
        self.size, self.context = size, context
        self.fill = check_fill(fill).tolist()

    def call(self, levels, boxes):
        return region_warp(levels, boxes, **self._arguments())

    def region_shape(self, channels):
        check_fill(self.fill, channels)
        return (self.size, self.size, channels)
