"""What losses of a label for every pixel share: pixels that are ignored, and weights."""

import keras
from keras import ops

from keras_struct.ops.labels import IGNORED


class LabelMapLoss(keras.losses.Loss):
    """Base: one number an image, from the pixels that are not ignored.

    Args:
        class_weights: C floats of at least 0, one a class, or None for 1; each loss says what they
            weigh.

    Call arguments:
        labels: (B, H, W) int32, 0..C-1, 255 is ignored.
        logits: (B, H, W, C) float32.
        pixel_weights: (B, H, W) float32 of at least 0, how much a pixel counts, or None for 1.

    Returns:
        (B,) float32; 0 for an image whose pixels are all ignored.

    Raises:
        ValueError: if a class weight is negative.
    """

    def __init__(self, class_weights=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.class_weights = class_weights and tuple(float(weight) for weight in class_weights)
        if self.class_weights and min(self.class_weights) < 0:
            raise ValueError(
                "`class_weights` must not be negative. "
                f"Received: class_weights={self.class_weights}."
            )

    def table(self, num_classes):
        """(C,) float32, the weight of each class."""
        return ops.convert_to_tensor(self.class_weights or (1.0,) * num_classes, "float32")

    def get_config(self):
        weights = self.class_weights and list(self.class_weights)
        return {**super().get_config(), "class_weights": weights}


def counts_of(labels, pixel_weights=None):
    """(B, H, W) float32, how much each pixel counts; 0 where it is ignored."""
    counts = ops.cast(ops.not_equal(labels, IGNORED), "float32")
    return counts if pixel_weights is None else counts * pixel_weights


def one_hot(labels, num_classes):
    """(B, H, W, C) float32; all zeros where the label is ignored."""
    labels = ops.cast(labels, "int32")
    return ops.one_hot(ops.where(ops.equal(labels, IGNORED), -1, labels), num_classes)
