"""Which regions of an image its heads are trained on."""

from typing import NamedTuple

from keras import ops

from keras_struct.ops import boxes as box_ops
from keras_struct.ops.matching import BACKGROUND
from keras_struct.ops.mining import balanced_sample
from keras_struct.ops.region_matching import match_proposals


class Sampling(NamedTuple):
    """How regions are drawn, the numbers of Fast R-CNN and later systems.

    Args:
        count: R, regions of an image.
        positive_fraction: largest share of them that are objects.
        positive_iou: least IoU of an object.
        background_iou: (least, below): IoU of background.
        append_truth: whether the true boxes are proposals as well.

    Source: Girshick 2015, arXiv:1504.08083, section 2.3: 2 images with 64 regions each, a quarter
    objects (IoU of 0.5), the others in [0.1, 0.5); Ren et al. 2015 and He et al. 2017: from 0.
    """

    count: int = 128
    positive_fraction: float = 0.25
    positive_iou: float = 0.5
    background_iou: tuple[float, float] = (0.0, 0.5)
    append_truth: bool = True

    @property
    def most_positive(self) -> int:
        """Positives an image has at most; they come first."""
        return int(self.count * self.positive_fraction)


def sample_regions(proposals, truth, noise, sampling, variances=box_ops.VARIANCES):
    """Draw regions at random among proposals and true boxes, objects first.

    Args:
        proposals: (B, P, 4) float32, xyxy, pixels; those without area pad.
        truth: {"boxes": (B, N, 4) float32 xyxy pixels, "labels": (B, N) integers, -1 pads}.
        noise: (B, P + N) float32 in [0, 1), uniform (P with `append_truth` False).
        sampling: a `Sampling`.
        variances: 4 floats, see `boxes.encode`.

    Returns:
        {"boxes": (B, R, 4) float32, "labels": (B, R) int32 with -1 for background and -2 where
        there is no region, "matches": (B, R) int32 index of the true box, -1 without, "deltas":
        (B, R, 4) float32, offsets of that box, meaningful where there is a label}. The first
        `sampling.most_positive` regions hold all objects. No gradient flows through.

    Source: Girshick 2015, arXiv:1504.08083, section 2.3.
    """
    labels = ops.cast(truth["labels"], "int32")
    boxes = ops.stop_gradient(ops.cast(truth["boxes"], "float32"))
    proposals = ops.stop_gradient(proposals)
    if sampling.append_truth:
        proposals = ops.concatenate([proposals, boxes], axis=1)
    matches = match_proposals(
        proposals, boxes, labels, sampling.positive_iou, sampling.background_iou
    )
    positive, negative = balanced_sample(
        ops.greater_equal(matches, 0),
        ops.equal(matches, BACKGROUND),
        noise,
        sampling.count,
        sampling.positive_fraction,
    )
    rank = 2.0 * ops.cast(positive, "float32") + ops.cast(negative, "float32")
    missing = max(sampling.count - proposals.shape[1], 0)
    best, index = ops.top_k(rank, min(sampling.count, proposals.shape[1]))
    chosen = ops.take_along_axis(proposals, index[..., None], axis=1)
    # what fills up is as it were a proposal without area, never an object
    matches = ops.where(best > 1.5, ops.take_along_axis(matches, index, axis=1), BACKGROUND)
    kind = ops.where(best > 0.5, matches, BACKGROUND - 1)
    if missing:
        chosen = ops.pad(chosen, [(0, 0), (0, missing), (0, 0)])
        matches = ops.pad(matches, [(0, 0), (0, missing)], constant_values=BACKGROUND)
        kind = ops.pad(kind, [(0, 0), (0, missing)], constant_values=BACKGROUND - 1)
    return _with_targets(chosen, matches, kind, boxes, labels, variances)


def _with_targets(chosen, matches, kind, boxes, labels, variances):
    index = ops.maximum(matches, 0)
    own = ops.take_along_axis(boxes, index[..., None], axis=1)
    is_object = ops.greater_equal(matches, 0)
    # Offsets of background are never used: a box of its own keeps the logarithms tame.
    unit = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0], "float32")
    start = ops.where(is_object[..., None], chosen, unit)
    goal = ops.where(is_object[..., None], own, unit)
    return {
        "boxes": chosen,
        "labels": ops.where(is_object, ops.take_along_axis(labels, index, axis=1), kind),
        "matches": matches,
        "deltas": box_ops.encode(goal, start, variances),
    }
