"""Confidence losses over all anchors: few objects against very much background."""

import keras
from keras import ops

from keras_struct.losses.anchor_targets import per_image
from keras_struct.ops.matching import NEITHER
from keras_struct.ops.mining import hard_negatives


@keras.saving.register_keras_serializable(package="keras_struct")
class HardNegativeCrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy over matched anchors and their hardest negatives (SSD).

    Class 0 of the logits is background, class c + 1 is label c.

    Args:
        negative_ratio: float > 0, negatives per matched anchor, counted per image.

    Call arguments:
        y_true: targets as `assign_targets` gives them.
        y_pred: {"class_logits": (B, A, 1 + C) float32, ...}.

    Returns:
        (B,) before reduction; the mean over images is the sum / matched anchors of the batch.

    Raises:
        ValueError: if `negative_ratio` is not positive.

    Source: Liu et al. 2016, arXiv:1512.02325, eq. 3 and hard negative mining.
    """

    num_background = 1
    background_threshold = None

    def __init__(self, negative_ratio=3.0, name="class_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        if not negative_ratio > 0:
            raise ValueError(
                "`negative_ratio` must be positive. "
                f"Received: negative_ratio={negative_ratio!r}. The paper uses 3."
            )
        self.negative_ratio = float(negative_ratio)

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true["labels"], "int32")
        positive = ops.greater_equal(labels, 0)
        log_probabilities = ops.log_softmax(y_pred["class_logits"], axis=-1)
        target = ops.one_hot(labels + 1, y_pred["class_logits"].shape[-1])
        loss = -ops.sum(target * log_probabilities, axis=-1)
        negative = hard_negatives(-log_probabilities[..., 0], positive, self.negative_ratio)
        loss = ops.where(ops.logical_or(positive, negative), loss, 0.0)
        return per_image(loss, y_true["num_positive"])

    def get_config(self):
        return {**super().get_config(), "negative_ratio": self.negative_ratio}


@keras.saving.register_keras_serializable(package="keras_struct")
class FocalClassLoss(keras.losses.Loss):
    """Sigmoid focal loss over all anchors: easy background fades out instead of being left out.

    Args:
        alpha: float in (0, 1), weight of an anchor's own class against all other entries.
        gamma: float >= 0, how fast well-classified entries fade.

    Call arguments:
        y_true: targets as `assign_targets` gives them.
        y_pred: {"class_logits": (B, A, C) float32, ...}; there is no background class.

    Returns:
        (B,) before reduction; the mean over images is the sum / matched anchors of the batch.

    Raises:
        ValueError: if `alpha` or `gamma` is out of its range.

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 5 and section 4 (assignment).
    """

    num_background = 0
    background_threshold = 0.4  # IoU; up to that of a match an anchor is neither, and left out

    def __init__(self, alpha=0.25, gamma=2.0, name="class_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 < alpha < 1:
            raise ValueError(
                f"`alpha` must be in (0, 1). Received: alpha={alpha!r}. The paper uses 0.25."
            )
        if not gamma >= 0:
            raise ValueError(
                f"`gamma` must be at least 0. Received: gamma={gamma!r}. The paper uses 2."
            )
        self.alpha, self.gamma = float(alpha), float(gamma)

    def call(self, y_true, y_pred):
        logits = y_pred["class_logits"]
        target = ops.one_hot(ops.cast(y_true["labels"], "int32"), logits.shape[-1])
        # log p and log (1 - p) from the logits: no probability is rounded to 0 or 1 on the way.
        log_p, log_not_p = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
        hit = self.alpha * ops.exp(self.gamma * log_not_p) * log_p
        miss = (1.0 - self.alpha) * ops.exp(self.gamma * log_p) * log_not_p
        loss = -ops.sum(target * hit + (1.0 - target) * miss, axis=-1)
        loss = ops.where(ops.equal(y_true["labels"], NEITHER), 0.0, loss)
        return per_image(loss, y_true["num_positive"])

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "gamma": self.gamma}
