"""Which ground-truth box each anchor answers for."""

from keras import ops

from keras_struct.ops.boxes import pairwise_iou

BACKGROUND, NEITHER = -1, -2
_NO_OVERLAP = 1e-6  # Caffe's MatchBBox takes a smaller overlap for none


def match_boxes(anchors, boxes, labels, iou_threshold=0.5, background_threshold=None):
    """Match anchors to boxes: every box its best anchor first, then every anchor above a threshold.

    The first step is the greedy bipartite matching of the paper's code: the best pair of all is
    taken, then the best of what is left, and so on, so that two boxes never share their only
    anchor. Pairs that are each other's best are exactly those that greedy would take, so whole
    rounds of them are settled at once, in a `while_loop` that ends after very few rounds.

    Args:
        anchors: (A, 4) float32, xyxy, pixels.
        boxes: (B, N, 4) float32, xyxy, pixels.
        labels: (B, N) integers, -1 marks padding.
        iou_threshold: float in [0, 1]. Anchors not taken in the first step are matched to the box
            of their highest IoU if that is above it.
        background_threshold: float in [0, 1] or None. Unmatched anchors with an IoU of at least
            this are neither object nor background; None makes all of them background.

    Returns:
        (B, A) int32: index of the box, -1 where the anchor is background, -2 where it is neither.
        Ties go to the lower index. No gradient flows through.

    Source: Liu et al. 2016, arXiv:1512.02325, section 2.2, matching strategy; Lin et al. 2017,
    arXiv:1708.02002, section 4, anchors (neither object nor background).
    """
    boxes = ops.stop_gradient(boxes)
    real = ops.expand_dims(ops.greater_equal(labels, 0), 1)
    iou = ops.where(real, pairwise_iou(ops.cast(anchors, "float32"), boxes), -1.0)
    matches = _match_bipartite(iou)
    best = ops.cast(ops.argmax(iou, axis=-1), "int32")
    overlap = ops.max(iou, axis=-1)
    unmatched = BACKGROUND
    if background_threshold is not None:
        unmatched = ops.where(ops.less(overlap, background_threshold), BACKGROUND, NEITHER)
    by_threshold = ops.where(ops.greater(overlap, iou_threshold), best, unmatched)
    return ops.where(ops.greater_equal(matches, 0), matches, by_threshold)


def _match_bipartite(iou):
    """(B, A, N) IoU, negative for padding, to (B, A) int32 indices of boxes, -1 elsewhere."""
    indices = ops.arange(ops.shape(iou)[-1], dtype="int32")

    def pairs_are_left(matches, open_boxes):
        return ops.any(open_boxes)

    def settle_mutual_pairs(matches, open_boxes):
        free = ops.less(matches, 0)
        usable = ops.logical_and(ops.expand_dims(free, -1), ops.expand_dims(open_boxes, 1))
        score = ops.where(usable, iou, -1.0)
        anchor = ops.cast(ops.argmax(score, axis=1), "int32")  # (B, N)
        rows = ops.take_along_axis(score, ops.expand_dims(anchor, -1), axis=1)  # (B, N, N)
        anchors_choice = ops.cast(ops.argmax(rows, axis=-1), "int32")
        overlaps = ops.greater(ops.max(score, axis=1), _NO_OVERLAP)
        open_boxes = ops.logical_and(open_boxes, overlaps)
        settled = ops.logical_and(open_boxes, ops.equal(anchors_choice, indices))
        taken = ops.logical_and(
            ops.equal(_positions(iou), ops.expand_dims(anchor, 1)), ops.expand_dims(settled, 1)
        )
        new = ops.max(ops.where(taken, indices, -1), axis=-1)
        return ops.maximum(matches, new), ops.logical_and(open_boxes, ops.logical_not(settled))

    nothing = ops.full_like(iou[..., 0], -1, dtype="int32")
    some_overlap = ops.greater(ops.max(iou, axis=1), _NO_OVERLAP)
    matches, _ = ops.while_loop(pairs_are_left, settle_mutual_pairs, (nothing, some_overlap))
    return matches


def _positions(iou):
    """(1, A, 1) int32 index of each anchor."""
    return ops.reshape(ops.arange(iou.shape[1], dtype="int32"), (1, -1, 1))
