"""Exact greedy non-maximum suppression with static shapes."""

from keras import ops

_NOTHING = -1.0


def non_max_suppression(
    boxes,
    scores,
    *,
    iou_threshold=0.45,
    score_threshold=0.01,
    max_detections=200,
    max_candidates=None,
    max_per_class=None,
    exhaustive=True,
):
    """Keep the best boxes of every class and drop those that overlap a better one.

    Greedy suppression, class by class, in the order of falling score (ties: lower box, then lower
    class first). A box may be detected as several classes.

    Args:
        boxes: (B, A, 4) float32, xyxy, pixels.
        scores: (B, A, C) float32 in [0, 1]. NaN counts as no score.
        iou_threshold: float in [0, 1]. A box is dropped when its IoU with a better kept box of
            its class is greater than this.
        score_threshold: float in [0, 1]. Only scores greater than this count.
        max_detections: int, K, detections kept per image.
        max_candidates: int or None. Only that many best scores of each class are looked at.
        max_per_class: int or None. Detections kept per class and image.
        exhaustive: bool. False looks only at the best candidates, see below.

    Returns:
        dict: boxes (B, K, 4) float32, scores (B, K) float32, labels (B, K) int32 with -1 as
        padding, num_detections (B,) int32; by falling score. Padding boxes and scores are 0.
    """
    boxes = ops.convert_to_tensor(boxes, dtype="float32")
    scores = ops.convert_to_tensor(scores, dtype="float32")
    scores = ops.where(scores > score_threshold, scores, _NOTHING)
    num_boxes, num_classes = scores.shape[1:]
    block = min(1024, num_boxes * num_classes)
    pair_scores, pair_boxes, pair_labels = _best_pairs(boxes, scores, block)
    x, y = pair_boxes[:, :, None, :], pair_boxes[:, None, :, :]
    size = ops.maximum(ops.minimum(x[..., 2:], y[..., 2:]) - ops.maximum(x[..., :2], y[..., :2]), 0)
    inter = size[..., 0] * size[..., 1]
    sides = ops.maximum(pair_boxes[..., 2:] - pair_boxes[..., :2], 0.0)
    area = sides[..., 0] * sides[..., 1]
    union = ops.maximum(area[:, :, None] + area[:, None, :] - inter, 1e-30)
    rank = ops.arange(block)
    suppresses = ops.logical_and(inter / union > iou_threshold, rank[:, None] < rank[None, :])
    suppresses = ops.logical_and(suppresses, pair_labels[:, :, None] == pair_labels[:, None, :])
    suppresses = ops.cast(suppresses, "float32")
    real = ops.cast(pair_scores > score_threshold, "float32")

    def step(keep, changed):
        hit = ops.matmul(keep[:, None, :], suppresses)[:, 0]
        new = real * ops.cast(hit < 0.5, "float32")
        return new, ops.any(new != keep)

    keep, _ = ops.while_loop(lambda keep, changed: changed, step, (real, ops.max(real) > -2))
    kept_scores, at = ops.top_k(
        ops.where(keep > 0, pair_scores, _NOTHING), min(block, max_detections)
    )
    rows = ops.arange(ops.shape(boxes)[0], dtype="int32")[:, None] * block
    at = at + rows
    valid = kept_scores > score_threshold
    result = {
        "boxes": ops.where(
            valid[..., None], ops.take(ops.reshape(pair_boxes, (-1, 4)), at, 0), 0.0
        ),
        "scores": ops.where(valid, kept_scores, 0.0),
        "labels": ops.where(valid, ops.take(ops.reshape(pair_labels, (-1,)), at, 0), -1),
        "num_detections": ops.sum(ops.cast(valid, "int32"), axis=1),
    }
    short = max_detections - min(block, max_detections)
    if short:
        result["boxes"] = ops.pad(result["boxes"], ((0, 0), (0, short), (0, 0)))
        result["scores"] = ops.pad(result["scores"], ((0, 0), (0, short)))
        result["labels"] = ops.pad(result["labels"], ((0, 0), (0, short)), constant_values=-1)
    return result


def _best_pairs(boxes, scores, block):
    """The `block` best (box, class) pairs: their scores, boxes and labels."""
    num_boxes, num_classes = scores.shape[1:]
    count = min(block, num_boxes)
    rows = ops.arange(ops.shape(boxes)[0], dtype="int32")[:, None]
    at = ops.top_k(ops.max(scores, axis=2), count)[1] + rows * num_boxes
    best = ops.take(ops.reshape(scores, (-1, num_classes)), at, axis=0)
    pair_scores, pair = ops.top_k(ops.reshape(best, (-1, count * num_classes)), block)
    box = ops.take(ops.reshape(at, (-1,)), pair // num_classes + rows * count, axis=0)
    pair_boxes = ops.take(ops.reshape(boxes, (-1, 4)), box, axis=0)
    return pair_scores, pair_boxes, pair - pair // num_classes * num_classes
