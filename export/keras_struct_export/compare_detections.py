"""Two lists of detections compared as sets."""

import numpy as np

from keras_struct_export.targets import Tolerance

_MASK_THRESHOLD = 0.5  # from which a cell of a mask is inside, as on the device
_SAME_OBJECT = 0.5  # IoU from which two boxes of a class are plainly meant for one object


def compare_image(
    reference: dict, result: dict, tolerance: Tolerance, score_threshold: float
) -> dict[str, float]:
    """Match the detections of one image and count.

    A detection without partner is no difference if its score is so near the score threshold, or
    near the last place of a full list, that a change within the tolerance drops it.

    Args:
        reference: boxes (K, 4) pixels, scores (K,), labels (K,) with -1 as padding, and any
            further field with a leading K, compared for the detections that match: keypoints
            (K, J, 3) by distance, others, masks (K, M, M) among them, as numbers.
        result: the same from the artefact.
        tolerance: what counts as agreeing.
        score_threshold: of the decoder.

    Returns:
        Counts and errors named as in `Comparison`.
    """
    ours, theirs = _valid(reference), _valid(result)
    boxes = np.abs(ours["boxes"][:, None] - theirs["boxes"][None]).max(-1)
    scores = np.abs(ours["scores"][:, None] - theirs["scores"][None])
    same = ours["labels"][:, None] == theirs["labels"][None]
    near = same & (boxes <= tolerance.box) & (scores <= tolerance.score)
    agreed = _pairs(boxes + scores, near)
    left, right = _unpaired(agreed, boxes.shape)
    plain = same & (_iou(ours["boxes"], theirs["boxes"]) >= _SAME_OBJECT)
    plain[~left] = plain[:, ~right] = False
    differing = _pairs(boxes + scores, plain)

    size = len(reference["scores"])
    missing = left & ~_borderline(ours, theirs, size, tolerance, score_threshold)
    extra = right & ~_borderline(theirs, ours, size, tolerance, score_threshold)
    box_error, score_error = _largest(boxes, agreed), _largest(scores, agreed)
    fields = _further_fields(ours, theirs, agreed)
    return {
        "compared": len(agreed) + int(missing.sum()) + int(extra.sum()),
        "agreed": len(agreed),
        "missing": int(missing.sum()),
        "extra": int(extra.sum()),
        "box_error": box_error,
        "score_error": score_error,
        "dense_error": fields if _counts(result) else float("inf"),
        "worst_box_error": max(box_error, _largest(boxes, differing)),
        "worst_score_error": max(score_error, _largest(scores, differing)),
        **_masks(ours, theirs, agreed),
        **_keypoints(ours, theirs, agreed, tolerance),
    }


def _valid(result: dict) -> dict:
    keep = result["labels"] >= 0
    return {k: v[keep] for k, v in result.items() if k != "num_detections"}


def _counts(result: dict) -> bool:
    finite = all(np.isfinite(result[name]).all() for name in ("boxes", "scores"))
    count = result.get("num_detections")
    return finite and (count is None or int(count) == int((result["labels"] >= 0).sum()))


def _pairs(cost: np.ndarray, allowed: np.ndarray) -> list[tuple[int, int]]:
    """One-to-one pairs, cheapest first."""
    rows, columns = np.nonzero(allowed)
    order = np.argsort(cost[rows, columns], kind="stable")
    free_rows, free_columns = set(rows.tolist()), set(columns.tolist())
    found = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            found.append((row, column))
    return found


def _unpaired(pairs: list[tuple[int, int]], shape: tuple[int, int]):
    left, right = np.ones(shape[0], bool), np.ones(shape[1], bool)
    for row, column in pairs:
        left[row] = right[column] = False
    return left, right


def _borderline(mine: dict, other: dict, size: int, tolerance: Tolerance, threshold: float):
    full = len(other["scores"]) == size
    cut = max(threshold, float(other["scores"].min())) if full else threshold
    return mine["scores"] <= cut + tolerance.score


def _largest(errors: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    return max((float(errors[pair]) for pair in pairs), default=0.0)


def _further_fields(ours: dict, theirs: dict, pairs: list[tuple[int, int]]) -> float:
    names = [name for name in ours if name not in ("boxes", "scores", "labels", "keypoints")]
    if not names or not pairs:
        return 0.0
    rows, columns = _rows(pairs)
    errors = [
        float(np.sqrt(np.mean((ours[name][rows] - theirs[name][columns]) ** 2.0)))
        / max(float(np.sqrt(np.mean(ours[name][rows] ** 2.0))), 1e-12)
        for name in names
    ]
    return max(errors) if np.isfinite(errors).all() else float("inf")


def _rows(pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [row for row, _ in pairs], [column for _, column in pairs]


def _masks(ours: dict, theirs: dict, pairs: list[tuple[int, int]]) -> dict[str, float]:
    """The smallest IoU of the masks of detections that agree."""
    if "masks" not in ours or not pairs:
        return {}
    rows, columns = _rows(pairs)
    one, other = ours["masks"][rows], theirs["masks"][columns]
    one, other = (side.reshape(len(pairs), -1) >= _MASK_THRESHOLD for side in (one, other))
    shared, union = (one & other).sum(1), (one | other).sum(1)
    return {"mask_iou": float(np.where(union, shared / np.maximum(union, 1), 1.0).min())}


def _keypoints(
    ours: dict, theirs: dict, pairs: list[tuple[int, int]], tolerance: Tolerance
) -> dict[str, float]:
    """How many keypoints of detections that agree do so too, and the largest distance."""
    if "keypoints" not in ours or not pairs:
        return {}
    rows, columns = _rows(pairs)
    difference = theirs["keypoints"][columns] - ours["keypoints"][rows]
    # what is not a number is as far as can be
    distance = np.nan_to_num(np.hypot(difference[..., 0], difference[..., 1]), nan=np.inf)
    score = np.nan_to_num(np.abs(difference[..., 2]), nan=np.inf)
    same = (distance <= tolerance.box) & (score <= tolerance.score)
    return {
        "keypoints": same.size,
        "keypoints_agreed": int(same.sum()),
        "keypoint_error": float(distance.max(initial=0.0)),
    }


def _iou(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    high = np.minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), -1)
    area1, area2 = (np.prod(b[:, 2:] - b[:, :2], -1) for b in (boxes1, boxes2))
    return inter / np.maximum(area1[:, None] + area2[None] - inter, 1e-12)
