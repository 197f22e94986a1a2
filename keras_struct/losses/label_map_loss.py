"""Losses of a label for every pixel, with pixels that are ignored and classes that are weighed."""

import keras
from keras import ops

IGNORED = 255


class LabelMapLoss(keras.losses.Loss):
    """Base: one number an image, from the pixels that are not ignored.

    Args:
        class_weights: C floats that weigh the pixels of each class, or None.

    Call arguments:
        labels: (B, H, W) int32, 0..C-1, 255 is ignored.
        logits: (B, H, W, C) float32.
        pixel_weights: (B, H, W) float32, or None.

    Returns:
        (B,) float32; 0 for an image whose pixels are all ignored.
    """

    def __init__(self, class_weights=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.class_weights = class_weights and tuple(float(weight) for weight in class_weights)

    def weights_of(self, labels, pixel_weights=None):
        """(B, H, W) float32, how much each pixel counts; 0 where it is ignored."""
        counted = ops.not_equal(labels, IGNORED)
        weights = ops.cast(counted, "float32")
        if self.class_weights is not None:
            table = ops.convert_to_tensor(self.class_weights, "float32")
            weights = weights * ops.take(table, ops.where(counted, labels, 0))
        return weights if pixel_weights is None else weights * pixel_weights

    def get_config(self):
        weights = self.class_weights and list(self.class_weights)
        return {**super().get_config(), "class_weights": weights}


@keras.saving.register_keras_serializable(package="keras_struct")
class PixelCrossEntropy(LabelMapLoss):
    """Softmax cross-entropy, the weighted mean over the pixels of an image.

    Source: Long et al. 2015, arXiv:1411.4038, section 3; there it is the sum over pixels.
    """

    def call(self, labels, logits, pixel_weights=None):
        weights = self.weights_of(labels, pixel_weights)
        target = ops.one_hot(ops.where(ops.equal(labels, IGNORED), -1, labels), logits.shape[-1])
        loss = -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)
        total = ops.sum(loss * weights, axis=(1, 2))
        return ops.divide_no_nan(total, ops.sum(weights, axis=(1, 2)))


LOSSES = {"cross_entropy": PixelCrossEntropy}
