"""PASCAL VOC's average precision at IoU 0.5.

The devkit's rules: detections of a class in falling order of score; each looks only at the object
it overlaps most; an object is found once, later hits are false; `difficult` objects are neither
to be found nor a mistake to find. Published implementations differ in two details, and so do
their numbers: here an overlap of exactly 0.5 is a hit (as in the Matlab devkit and in COCO;
py-faster-rcnn wants more than 0.5), and widths are x2 - x1 (py-faster-rcnn adds a pixel).
"""

import numpy as np

TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1


def pairwise_overlap(boxes: np.ndarray, others: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Intersection over union, or over the first box's area where the other one is a crowd.

    Args:
        boxes: (N, 4) float, xyxy, pixels.
        others: (M, 4) float, xyxy, pixels.
        crowd: (M,) bool.

    Returns:
        (N, M) float64 in [0, 1]; 0 where there is no area to divide by.
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0.0), axis=-1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)[:, None]
    other_area = np.prod(others[:, 2:] - others[:, :2], axis=-1)[None, :]
    union = np.where(crowd[None, :], area, area + other_area - inter)
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def match_image(truth: dict, result: dict, iou_threshold: float = 0.5) -> np.ndarray:
    """Say for every detection of one image whether it found an object.

    Args:
        truth: "boxes" (N, 4) xyxy pixels, "labels", "crowd" and "difficult" (N,).
        result: "boxes" (K, 4) xyxy pixels, "scores" and "labels" (K,).
        iou_threshold: float in [0, 1], the least overlap of a hit.

    Returns:
        (K,) int8: 1 true positive, 0 false positive, -1 not counted (a difficult object, a crowd).
    """
    status = np.full(len(result["labels"]), FALSE_POSITIVE, np.int8)
    if not len(status) or not len(truth["labels"]):
        return status
    overlap = pairwise_overlap(result["boxes"], truth["boxes"], truth["crowd"])
    overlap[result["labels"][:, None] != truth["labels"][None, :]] = -1.0
    in_crowd = np.any(overlap[:, truth["crowd"]] >= iou_threshold, axis=1)
    overlap[:, truth["crowd"]] = -1.0
    best = np.argmax(overlap, axis=1)
    hit = overlap[np.arange(len(best)), best] >= iou_threshold
    status[in_crowd & ~hit] = IGNORED
    status[hit & truth["difficult"][best]] = IGNORED
    wanted = np.flatnonzero(hit & ~truth["difficult"][best])
    by_score = wanted[np.argsort(-result["scores"][wanted], kind="stable")]
    _, first = np.unique(best[by_score], return_index=True)
    status[by_score[first]] = TRUE_POSITIVE
    return status


def average_precision(
    scores: np.ndarray, true_positive: np.ndarray, num_objects: int, points: int | None = None
) -> float:
    """Average precision of one class over a data set.

    Args:
        scores: (K,) float, of all detections that count.
        true_positive: (K,) bool.
        num_objects: int, objects to be found.
        points: 11 for VOC 2007 (mean of the best precision at recall 0, 0.1, ... 1), None for
            VOC 2010 and later (area under the precision envelope).

    Returns:
        float in [0, 1]; -1.0 without objects, 0.0 with objects and no detection.

    Source: Everingham et al. 2010, "The PASCAL VOC Challenge", section 4.2; devkits 2007, 2012.
    """
    if not num_objects:
        return -1.0
    hits = np.asarray(true_positive, bool)[np.argsort(-np.asarray(scores), kind="stable")]
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if points is None:
        return float(np.sum(envelope[hits]) / num_objects)
    # Integers decide "recall >= k / 10": 0.1 * 3 in floating point is above 3 / 10.
    reached = found * (points - 1) >= np.arange(points)[:, None] * num_objects
    best = np.where(reached, envelope, 0.0).max(axis=1, initial=0.0)
    return float(best.mean())
