"""Localisation loss of matched anchors."""

import keras
from keras import ops

from keras_struct.losses.anchor_targets import per_image


@keras.saving.register_keras_serializable(package="keras_struct")
class SmoothL1BoxLoss(keras.losses.Loss):
    """Smooth L1 between predicted and target offsets, over matched anchors only.

    Args:
        delta: float > 0, the difference at which the loss turns from square to linear (1 in the
            paper). Smaller values weigh small errors more, which pays at high IoU thresholds.

    Call arguments:
        y_true: targets as `assign_targets` gives them.
        y_pred: {"box_deltas": (B, A, 4) float32, ...}.

    Returns:
        (B,) before reduction; the mean over images is the sum over anchors / matched anchors.

    Raises:
        ValueError: if `delta` is not positive.

    Source: Girshick 2015, arXiv:1504.08083, eq. 3; Liu et al. 2016, arXiv:1512.02325, eq. 2.
    """

    def __init__(self, delta=1.0, name="box_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        if not delta > 0:
            raise ValueError(
                f"`delta` must be positive. Received: delta={delta!r}. The paper uses 1."
            )
        self.delta = float(delta)

    def call(self, y_true, y_pred):
        values = smooth_l1(y_pred["box_deltas"] - y_true["deltas"], self.delta)
        values = ops.where(ops.greater_equal(y_true["labels"], 0), values, 0.0)
        return per_image(values, y_true["num_positive"])

    def get_config(self):
        return {**super().get_config(), "delta": self.delta}


def smooth_l1(difference, delta=1.0):
    """Sum over the last axis of smooth L1: x^2 / (2 delta) below delta, |x| - delta / 2 above."""
    difference = ops.abs(difference)
    square = 0.5 * ops.square(difference) / delta
    values = ops.where(ops.less(difference, delta), square, difference - 0.5 * delta)
    return ops.sum(values, axis=-1)
