"""Losses that look at every pixel by itself."""

import abc

import keras
from keras import ops

from keras_struct.losses.label_map_loss import LabelMapLoss, counts_of, one_hot

_NORMALIZATIONS = ("mean", "sum")


class _PixelLoss(LabelMapLoss, abc.ABC):
    """A loss of each pixel, weighed by its class, as their mean or sum."""

    normalize = "mean"

    def call(self, labels, logits, pixel_weights=None):
        target = one_hot(labels, logits.shape[-1])
        losses = self.of_pixels(ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1))
        weights = ops.matmul(target, self.table(logits.shape[-1])) * counts_of(
            labels, pixel_weights
        )
        total = ops.sum(losses * weights, axis=(1, 2))
        if self.normalize == "sum":
            return total
        return ops.divide_no_nan(total, ops.sum(weights, axis=(1, 2)))

    @abc.abstractmethod
    def of_pixels(self, log_likelihood):
        """Loss (B, H, W) of the logarithms of the probabilities of the true classes."""


@keras.saving.register_keras_serializable(package="keras_struct")
class PixelCrossEntropy(_PixelLoss):
    """Softmax cross-entropy over the pixels of an image.

    Keras' `SparseCategoricalCrossentropy` ignores a label too, but divides by all pixels, ignored
    or not, and weighs no classes.

    Args:
        class_weights: C floats that weigh the pixels of each class, or None.
        normalize: "mean", weighted, or "sum" as published; then larger images have larger losses.

    Raises:
        ValueError: for another `normalize`, or a negative weight.

    Source: Long et al. 2015, arXiv:1411.4038, section 3.
    """

    def __init__(self, class_weights=None, normalize="mean", **kwargs):
        super().__init__(class_weights, **kwargs)
        if normalize not in _NORMALIZATIONS:
            raise ValueError(
                f"`normalize` must be one of {_NORMALIZATIONS}. Received: normalize={normalize!r}."
            )
        self.normalize = normalize

    def of_pixels(self, log_likelihood):
        """The cross-entropy."""
        return -log_likelihood

    def get_config(self):
        return {**super().get_config(), "normalize": self.normalize}


@keras.saving.register_keras_serializable(package="keras_struct")
class PixelFocal(_PixelLoss):
    """Focal loss over the pixels of an image: cross-entropy times (1 - p) ** gamma.

    p is the probability of the true class, so that pixels that are right already count little. The
    weighted mean over the pixels. Keras' `CategoricalFocalCrossentropy` ignores no label and takes
    one-hot truth.

    Args:
        class_weights: C floats that weigh the pixels of each class, or None.
        gamma: float of at least 0; 0 gives cross-entropy.

    Raises:
        ValueError: for a negative `gamma` or weight.

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 4, with softmax for sigmoid.
    """

    def __init__(self, class_weights=None, gamma=2.0, **kwargs):
        super().__init__(class_weights, **kwargs)
        if not gamma >= 0:
            raise ValueError(f"`gamma` must not be negative. Received: gamma={gamma!r}.")
        self.gamma = float(gamma)

    def of_pixels(self, log_likelihood):
        """The focal loss."""
        # A power below 1 has no slope at zero, where p is 1.
        miss = ops.maximum(-ops.expm1(log_likelihood), keras.config.epsilon())
        return -log_likelihood * miss**self.gamma

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}
