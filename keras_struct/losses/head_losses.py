"""Losses of the heads on regions: class, box, mask and keypoints."""

from keras import ops

from keras_struct.losses.box_loss import smooth_l1
from keras_struct.ops.class_entries import of_class
from keras_struct.ops.matching import NEITHER
from keras_struct.ops.mining import highest


def region_class_loss(regions, logits):
    """Cross-entropy over the regions drawn, divided by their number.

    Args:
        regions: as `sample_regions` gives them, "labels" (B, R).
        logits: (B, R, 1 + C) float32, background first.

    Returns:
        (B,) float32.

    Source: Girshick 2015, arXiv:1504.08083, eq. 1.
    """
    drawn = ops.cast(_drawn(regions), "float32")
    entropy = _entropies(regions, logits)
    return ops.divide_no_nan(ops.sum(entropy * drawn, axis=-1), ops.sum(drawn, axis=-1))


def region_box_loss(regions, deltas, delta=1.0):
    """Smooth L1 of the offsets of objects, each for its own class, over all regions drawn.

    Args:
        regions: as `sample_regions` gives them, "labels" (B, R) and "deltas" (B, R, 4).
        deltas: (B, R, C, 4) float32 or, the same for all classes, (B, R, 1, 4).
        delta: float > 0, where smooth L1 turns from square to linear.

    Returns:
        (B,) float32.

    Source: Girshick 2015, arXiv:1504.08083, eq. 1 to 3; divided as in the authors' code.
    """
    drawn = ops.sum(ops.cast(_drawn(regions), "float32"), axis=-1)
    return ops.divide_no_nan(ops.sum(_distances(regions, deltas, delta), axis=-1), drawn)


def hard_regions(regions, logits, deltas, count):
    """Of the regions drawn, those of highest loss: online hard example mining.

    Args:
        regions: as `sample_regions` gives them.
        logits: (B, R, 1 + C) float32, background first.
        deltas: (B, R, C or 1, 4) float32.
        count: int, regions of an image that are kept.

    Returns:
        `regions`, with the "labels" of all others as where there is no region.

    Source: Shrivastava et al. 2016, arXiv:1604.03540, section 4; Dai et al. 2016,
    arXiv:1605.06409, section 2: the 128 worst of all proposals, by the sum of both losses.
    """
    loss = _entropies(regions, logits) + _distances(regions, deltas)
    wanted = ops.full_like(loss[:, :1], float(count))
    hard = highest(loss, _drawn(regions), wanted)
    return {**regions, "labels": ops.where(hard, regions["labels"], NEITHER)}


def _drawn(regions):
    return ops.not_equal(regions["labels"], NEITHER)


def _entropies(regions, logits):
    target = ops.one_hot(ops.maximum(regions["labels"], -1) + 1, logits.shape[-1])
    return -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)


def _distances(regions, deltas, delta=1.0):
    labels = regions["labels"]
    own = of_class(ops.moveaxis(deltas, 2, -1), labels)
    is_object = ops.greater_equal(labels, 0)
    return ops.where(is_object, smooth_l1(own - regions["deltas"], delta), 0.0)


def region_mask_loss(targets, logits, labels):
    """Binary cross-entropy of the mask of the true class only, mean over objects and pixels.

    Args:
        targets: (B, P, h, w) float32, 0 or 1, as `mask_targets` gives them.
        logits: (B, P, h, w, C) float32.
        labels: (B, P) int32, below 0 where there is no object.

    Returns:
        (B,) float32; 0 for an image without an object.

    Source: He et al. 2017, arXiv:1703.06870, section 3.
    """
    own = of_class(logits, labels)
    entropy = ops.mean(ops.softplus(own) - targets * own, axis=(2, 3))
    is_object = ops.cast(ops.greater_equal(labels, 0), "float32")
    return ops.divide_no_nan(ops.sum(entropy * is_object, axis=-1), ops.sum(is_object, axis=-1))


def region_keypoint_loss(targets, visible, logits):
    """Softmax cross-entropy over the cells of a region, mean over visible keypoints.

    Args:
        targets: (B, P, J) int32, row-major index of the keypoint's cell.
        visible: (B, P, J) bool, whether it has one.
        logits: (B, P, h, w, J) float32.

    Returns:
        (B,) float32; 0 for an image without a visible keypoint.

    Source: He et al. 2017, arXiv:1703.06870, section 5, human pose estimation.
    """
    shape = ops.shape(logits)
    scores = ops.reshape(logits, (shape[0], shape[1], -1, shape[-1]))
    scores = ops.moveaxis(ops.log_softmax(scores, axis=2), 2, -1)
    own = ops.take_along_axis(scores, targets[..., None], axis=-1)[..., 0]
    seen = ops.cast(visible, "float32")
    total = ops.sum(-own * seen, axis=(1, 2))
    return ops.divide_no_nan(total, ops.sum(seen, axis=(1, 2)))
