"""Which ground-truth box each proposal anchor, and each proposal, answers for."""

from keras import ops

from keras_struct.ops.boxes import pairwise_iou
from keras_struct.ops.matching import BACKGROUND, NEITHER

_EDGE_SLACK = 1e-3  # pixels; anchors meet the border of the image in rounded arithmetic


def match_anchors(anchors, boxes, labels, positive_iou=0.7, negative_iou=0.3):
    """Match the anchors of a region proposal network.

    Positive are anchors with an IoU of at least `positive_iou` with any box, and those with the
    highest IoU of all with some box, however low and with all ties: every box that any anchor
    touches has a positive. Anchors below `negative_iou` with all boxes are background.

    Args:
        anchors: (A, 4) float32, xyxy, pixels.
        boxes: (B, N, 4) float32, xyxy, pixels.
        labels: (B, N) integers, -1 marks padding.
        positive_iou: float in [0, 1].
        negative_iou: float in [0, 1].

    Returns:
        (B, A) int32: index of the box of highest IoU where positive, else `BACKGROUND` (-1) or
        `NEITHER` (-2). No gradient flows through.

    Source: Ren et al. 2015, arXiv:1506.01497, section 3.1.2, and the authors' code (ties; the box
    of highest IoU is the target also where another box made the anchor positive).
    """
    iou = _iou_with_real(anchors, boxes, labels)
    best, overlap = ops.cast(ops.argmax(iou, axis=-1), "int32"), ops.max(iou, axis=-1)
    of_box = ops.max(iou, axis=1, keepdims=True)
    of_box = ops.where(ops.greater(of_box, 0.0), of_box, 2.0)  # a box that nothing touches
    is_best = ops.any(ops.greater_equal(iou, of_box), axis=-1)
    positive = ops.logical_or(ops.greater_equal(overlap, positive_iou), is_best)
    others = ops.where(ops.less(overlap, negative_iou), BACKGROUND, NEITHER)
    return ops.where(positive, best, others)


def match_proposals(proposals, boxes, labels, positive_iou=0.5, background_iou=(0.0, 0.5)):
    """Match proposals to the box of their highest IoU.

    Args:
        proposals: (B, P, 4) float32, xyxy, pixels. Those without area pad.
        boxes: (B, N, 4) float32, xyxy, pixels.
        labels: (B, N) integers, -1 marks padding.
        positive_iou: float in [0, 1], least IoU of an object.
        background_iou: (least, below): IoU of background. Fast R-CNN takes (0.1, 0.5), which mines
            hard examples: a proposal far from all boxes is neither.

    Returns:
        (B, P) int32: index of the box, `BACKGROUND` (-1) or `NEITHER` (-2). Ties go to the lower
        index. No gradient flows through.

    Source: Girshick 2015, arXiv:1504.08083, section 2.3.
    """
    iou = _iou_with_real(proposals, boxes, labels)
    best, overlap = ops.cast(ops.argmax(iou, axis=-1), "int32"), ops.max(iou, axis=-1)
    # without any box the highest IoU is that of padding: nothing of it is an object
    overlap = ops.maximum(overlap, 0.0)
    low, high = background_iou
    background = ops.logical_and(ops.greater_equal(overlap, low), ops.less(overlap, high))
    matches = ops.where(background, BACKGROUND, NEITHER)
    matches = ops.where(ops.greater_equal(overlap, max(positive_iou, 1e-6)), best, matches)
    return ops.where(has_area(proposals), matches, NEITHER)


def has_area(boxes):
    """(..., ) bool of boxes (..., 4): whether they have an area; padding has none."""
    return ops.all(ops.greater(boxes[..., 2:], boxes[..., :2]), axis=-1)


def within(boxes, height, width, border=0.0):
    """(A,) bool: boxes (A, 4) that reach at most `border` pixels beyond an image."""
    limits = ops.convert_to_tensor([width, height], "float32") + (border + _EDGE_SLACK)
    low = ops.greater_equal(boxes[..., :2], -(border + _EDGE_SLACK))
    return ops.all(ops.logical_and(low, ops.less_equal(boxes[..., 2:], limits)), axis=-1)


def _iou_with_real(anchors, boxes, labels):
    """(B, A, N) IoU, -1 with padding."""
    boxes = ops.stop_gradient(ops.cast(boxes, "float32"))
    anchors = ops.stop_gradient(ops.cast(anchors, "float32"))
    real = ops.expand_dims(ops.greater_equal(labels, 0), 1)
    return ops.where(real, pairwise_iou(anchors, boxes), -1.0)
