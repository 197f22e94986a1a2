"""Losses of a region proposal network: object or not, and where."""

import keras
from keras import ops

from keras_struct.losses.anchor_targets import matched_offsets
from keras_struct.losses.box_loss import smooth_l1
from keras_struct.ops.boxes import UNIT_VARIANCES
from keras_struct.ops.matching import BACKGROUND
from keras_struct.ops.mining import balanced_sample
from keras_struct.ops.region_matching import match_anchors, within


@keras.saving.register_keras_serializable(package="keras_struct")
class ProposalLoss(keras.losses.Loss):
    """Cross-entropy and smooth L1 over anchors drawn at random, few of them objects.

    Args:
        image_size: (height, width), pixels.
        count: int, anchors drawn of an image.
        positive_fraction: float in [0, 1], largest share of them that are positive.
        positive_iou: float in [0, 1], see `match_anchors`.
        negative_iou: float in [0, 1], see `match_anchors`.
        border: float or None, pixels an anchor may reach beyond the image to be drawn: 0 as
            published, None for any (Detectron2).
        delta: float > 0, where smooth L1 turns from square to linear, in units of an anchor.

    Call arguments:
        truth: {"boxes": (B, N, 4) float32 xyxy pixels, "labels": (B, N) integers, -1 pads}.
        raw: {"rpn_logits": (B, A), "rpn_deltas": (B, A, 4)} float32.
        anchors: (A, 4) float32, xyxy, pixels.
        noise: (B, A) float32 in [0, 1), uniform; decides what is drawn.

    Returns:
        {"rpn_class_loss": (B,), "rpn_box_loss": (B,)} float32, sums over the anchors drawn of an
        image divided by their number.

    Source: Ren et al. 2015, arXiv:1506.01497, section 3.1.2 and 3.1.3: 256 anchors, at most half
    positive; the authors' code: both parts divided by the anchors drawn, delta 1 / 9.
    """

    def __init__(
        self,
        image_size,
        count=256,
        positive_fraction=0.5,
        positive_iou=0.7,
        negative_iou=0.3,
        border=None,
        delta=1.0 / 9.0,
        name="proposal_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.image_size = tuple(image_size)
        self.count = int(count)
        self.positive_fraction = float(positive_fraction)
        self.positive_iou = float(positive_iou)
        self.negative_iou = float(negative_iou)
        self.border = border
        self.delta = float(delta)

    def call(self, truth, raw, anchors, noise):
        matches, positive, drawn = self.draw(truth, anchors, noise)
        count = ops.maximum(ops.sum(ops.cast(drawn, "float32"), axis=-1), 1.0)
        logits = raw["rpn_logits"]
        # -log p of an object is softplus(-logit), of background softplus(logit)
        entropy = ops.softplus(ops.where(positive, -logits, logits))
        deltas = smooth_l1(raw["rpn_deltas"] - self.targets(truth, anchors, matches), self.delta)
        return {
            "rpn_class_loss": ops.sum(ops.where(drawn, entropy, 0.0), axis=-1) / count,
            "rpn_box_loss": ops.sum(ops.where(positive, deltas, 0.0), axis=-1) / count,
        }

    def draw(self, truth, anchors, noise):
        """Matches (B, A) int32; which anchors are drawn as positive, and which at all (B, A)."""
        matches = match_anchors(
            anchors,
            truth["boxes"],
            ops.cast(truth["labels"], "int32"),
            self.positive_iou,
            self.negative_iou,
        )
        allowed = True if self.border is None else within(anchors, *self.image_size, self.border)
        positive = ops.logical_and(ops.greater_equal(matches, 0), allowed)
        negative = ops.logical_and(ops.equal(matches, BACKGROUND), allowed)
        positive, negative = balanced_sample(
            positive, negative, noise, self.count, self.positive_fraction
        )
        return matches, positive, ops.logical_or(positive, negative)

    def targets(self, truth, anchors, matches):
        """Offsets (B, A, 4) of the boxes that anchors were matched to."""
        boxes = ops.cast(truth["boxes"], "float32")
        return matched_offsets(boxes, anchors, matches, UNIT_VARIANCES)

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": list(self.image_size),
            "count": self.count,
            "positive_fraction": self.positive_fraction,
            "positive_iou": self.positive_iou,
            "negative_iou": self.negative_iou,
            "border": self.border,
            "delta": self.delta,
        }
