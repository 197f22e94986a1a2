"""Targets for every anchor from padded ground truth, and the norm that losses share."""

from keras import ops

from keras_struct.ops import boxes as box_ops
from keras_struct.ops.matching import match_boxes


def assign_targets(
    truth, anchors, iou_threshold=0.5, background_threshold=None, variances=box_ops.VARIANCES
):
    """Match anchors to the ground truth and give each its class and its box offsets.

    Args:
        truth: {"boxes": (B, N, 4) float32 xyxy pixels, "labels": (B, N) integers, -1 pads}.
        anchors: (A, 4) float32, xyxy, pixels.
        iou_threshold: float in [0, 1], see `match_boxes`.
        background_threshold: float in [0, 1] or None, see `match_boxes`.
        variances: 4 floats, see `boxes.encode`.

    Returns:
        {"labels": (B, A) int32, -1 for background, -2 for neither, "deltas": (B, A, 4) float32,
        meaningful where there is a label, "num_positive": () float32, matched anchors of the
        whole batch}.
    """
    labels = ops.cast(truth["labels"], "int32")
    boxes = ops.cast(truth["boxes"], "float32")
    matches = match_boxes(anchors, boxes, labels, iou_threshold, background_threshold)
    positive = ops.greater_equal(matches, 0)
    index = ops.maximum(matches, 0)
    return {
        "labels": ops.where(positive, ops.take_along_axis(labels, index, axis=1), matches),
        "deltas": matched_offsets(boxes, anchors, matches, variances),
        "num_positive": ops.sum(ops.cast(positive, "float32")),
    }


def matched_offsets(boxes, anchors, matches, variances):
    """Offsets (B, A, 4) of the boxes (B, N, 4) that anchors (A, 4) were matched to.

    Those of unmatched anchors, whose `matches` (B, A) are below 0, are of no meaning.
    """
    index = ops.expand_dims(ops.maximum(matches, 0), -1)
    matched = ops.take_along_axis(boxes, index, axis=1)
    # Offsets of unmatched anchors are never used: their own box keeps the logarithms tame.
    own = ops.expand_dims(ops.cast(anchors, "float32"), 0)
    positive = ops.expand_dims(ops.greater_equal(matches, 0), -1)
    return box_ops.encode(ops.where(positive, matched, own), anchors, variances)


def per_image(values, num_positive):
    """Sum (B, A) values over anchors so that the mean over images is sum / num_positive.

    The published norm counts the matched anchors of the whole batch, whereas Keras averages
    over images: the factor B / num_positive turns the one into the other. No match gives 0.
    """
    batch = ops.cast(ops.shape(values)[0], "float32")
    return ops.sum(values, axis=-1) * ops.divide_no_nan(batch, num_positive)
