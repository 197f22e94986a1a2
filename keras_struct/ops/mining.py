"""Choosing a number of anchors in each image: the best by a score, exactly as many as wanted."""

from keras import ops


def highest(score, among, wanted):
    """Mark in each image the `wanted` entries of highest score among those allowed.

    Args:
        score: (B, A) float32, at least 0 where `among` is true.
        among: (B, A) bool.
        wanted: (B, 1) float32, whole numbers.

    Returns:
        (B, A) bool, min(wanted, allowed) per image; among equal scores the lower index is chosen.
        No gradient flows through.
    """
    score = ops.where(among, ops.stop_gradient(score), -1.0)
    allowed = ops.sum(ops.cast(among, "float32"), axis=-1, keepdims=True)
    wanted = ops.minimum(wanted, allowed)
    # One sort finds the score of the last chosen; ties at that score are filled up by index.
    ordered = ops.flip(ops.sort(score, axis=-1), axis=-1)
    last = ops.cast(ops.maximum(wanted - 1.0, 0.0), "int32")
    threshold = ops.take_along_axis(ordered, last, axis=-1)
    above = ops.greater(score, threshold)
    tied = ops.equal(score, threshold)
    room = wanted - ops.sum(ops.cast(above, "float32"), axis=-1, keepdims=True)
    fits = ops.less_equal(ops.cumsum(ops.cast(tied, "float32"), axis=-1), room)
    chosen = ops.logical_or(above, ops.logical_and(tied, fits))
    return ops.logical_and(ops.logical_and(chosen, among), ops.greater(wanted, 0.0))


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
    num_positive = ops.sum(ops.cast(positive, "float32"), axis=-1, keepdims=True)
    return highest(loss, ops.logical_not(positive), ops.floor(ratio * num_positive))


def balanced_sample(positive, negative, noise, count, positive_fraction):
    """Draw in each image `count` anchors at random, at most a fraction of them positive.

    Too few positives are filled up with negatives, never the other way round.

    Args:
        positive: (B, A) bool.
        negative: (B, A) bool, disjoint from `positive`.
        noise: (B, A) float32 in [0, 1), uniform: the entries of highest noise are drawn.
        count: int.
        positive_fraction: float in [0, 1].

    Returns:
        (B, A) bool, (B, A) bool: positives and negatives that were drawn.

    Source: Girshick 2015, arXiv:1504.08083, section 2.3 (mini-batch sampling); Ren et al. 2015,
    arXiv:1506.01497, section 3.1.3.
    """
    most = float(int(count * positive_fraction))
    chosen = highest(noise, positive, ops.full_like(noise[:, :1], most))
    left = count - ops.sum(ops.cast(chosen, "float32"), axis=-1, keepdims=True)
    return chosen, highest(noise, negative, left)
