"""Losses of label maps by name."""

import functools

from keras_struct.losses.pixel_losses import PixelCrossEntropy, PixelFocal
from keras_struct.losses.region_losses import LovaszSoftmax, SoftDice

LOSSES = {
    "cross_entropy": PixelCrossEntropy,
    "cross_entropy_sum": functools.partial(PixelCrossEntropy, normalize="sum"),
    "focal": PixelFocal,
    "dice": SoftDice,
    "lovasz": LovaszSoftmax,
}
