"""Online hard negative mining."""

from keras import ops


def hard_negatives(loss, positive, ratio=3.0):
    """Choose in each image the negatives of highest loss, `ratio` times as many as its positives.

    Args:
        loss: (B, A) float32, the loss each anchor would have as background.
        positive: (B, A) bool, the matched anchors.
        ratio: float > 0, negatives per positive. An image without positives gets none.

    Returns:
        (B, A) bool. Exactly min(floor(ratio * positives), negatives) per image; among equal losses
        the lower index is chosen. No gradient flows through.

    Source: Liu et al. 2016, arXiv:1512.02325, section 2.2, hard negative mining.
    """
    negative = ops.logical_not(positive)
    score = ops.where(negative, ops.stop_gradient(loss), -1.0)
    num_positive = ops.sum(ops.cast(positive, "float32"), axis=-1, keepdims=True)
    num_negative = ops.sum(ops.cast(negative, "float32"), axis=-1, keepdims=True)
    wanted = ops.minimum(ops.floor(ratio * num_positive), num_negative)  # (B, 1)
    # One sort finds the loss of the last chosen; ties at that loss are filled up by index.
    ordered = ops.flip(ops.sort(score, axis=-1), axis=-1)
    last = ops.cast(ops.maximum(wanted - 1.0, 0.0), "int32")
    threshold = ops.take_along_axis(ordered, last, axis=-1)
    above = ops.greater(score, threshold)
    tied = ops.equal(score, threshold)
    room = wanted - ops.sum(ops.cast(above, "float32"), axis=-1, keepdims=True)
    fits = ops.less_equal(ops.cumsum(ops.cast(tied, "float32"), axis=-1), room)
    chosen = ops.logical_or(above, ops.logical_and(tied, fits))
    return ops.logical_and(ops.logical_and(chosen, negative), ops.greater(wanted, 0.0))
