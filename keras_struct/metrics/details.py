"""What objects may have beside their box, checked: masks and keypoints."""

from collections.abc import Sequence

import numpy as np

from keras_struct.ops import run_lengths

# COCO's person: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; cocodataset.org
COCO_SIGMAS = (0.026, *(0.025,) * 2, *(0.035,) * 2, *(0.079,) * 2, *(0.072,) * 2)
COCO_SIGMAS += (*(0.062,) * 2, *(0.107,) * 2, *(0.087,) * 2, *(0.089,) * 2)
USUAL_SIGMA = 0.05  # between COCO's eyes and shoulders


def check_masks(masks: Sequence, count: int, what: str) -> list[dict]:
    """Masks as run lengths.

    Args:
        masks: (N, H, W) bool or numbers, not 0 inside, or N run lengths {"size": [H, W],
            "counts": text, bytes or a list}.
        count: N that is expected.
        what: whose they are, for messages.

    Raises:
        ValueError: if they are anything else, or of different sizes.
    """
    if len(masks) != count:
        raise ValueError(
            f"`masks` in the {what} must have one entry a box. "
            f"Received: {len(masks)} for {count} boxes."
        )
    if not all(isinstance(one, dict) for one in masks):
        masks = np.asarray(masks)
        if masks.ndim != 3:
            raise ValueError(
                f"`masks` in the {what} must be of shape (N, H, W), or run lengths. "
                f"Received: shape={masks.shape}."
            )
        return run_lengths.encode(masks != 0)
    sizes = {tuple(one["size"]) for one in masks}
    if len(sizes) > 1:
        raise ValueError(
            f"`masks` in the {what} must be of one size, that of the image. "
            f"Received: {sorted(sizes)}."
        )
    return [run_lengths.compressed(one) for one in masks]


def check_same_size(truth: list[dict], result: list[dict], what: str) -> None:
    """Raise a ValueError if masks of truth and result are not of one size."""
    sizes = {tuple(one["size"]) for one in (*truth[:1], *result[:1])}
    if len(sizes) > 1:
        raise ValueError(
            f"`masks` of {what} must be of one size in truth and result. "
            f"Received: {tuple(truth[0]['size'])} and {tuple(result[0]['size'])}. "
            "Bring the results to the original image."
        )


def check_keypoints(keypoints: Sequence, count: int, what: str) -> np.ndarray:
    """Keypoints (N, J, 3) float64 of x, y and visibility or score.

    Raises:
        ValueError: if they are not finite or of another shape.
    """
    points = np.asarray(keypoints, np.float64)
    shaped = points.ndim == 3 and points.shape[-1] == 3 and len(points) == count
    if count == 0 and points.size == 0:
        return points if shaped else np.zeros((0, 0, 3))
    if not shaped or not np.isfinite(points).all():
        raise ValueError(
            f"`keypoints` in the {what} must be finite and of shape ({count}, J, 3). "
            f"Received: shape={points.shape}, finite={bool(np.isfinite(points).all())}."
        )
    return points


def check_sigmas(sigmas: Sequence[float] | None) -> np.ndarray | None:
    """Sigmas as an array, or None.

    Raises:
        ValueError: if one is not a positive number.
    """
    if sigmas is None:
        return None
    values = np.asarray(sigmas, np.float64)
    if values.ndim != 1 or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(
            "`keypoint_sigmas` must be positive numbers, one a keypoint. "
            f"Received: keypoint_sigmas={sigmas!r}."
        )
    return values


def sigmas_for(images: Sequence[dict], sigmas: np.ndarray | None) -> np.ndarray:
    """The sigmas of all images' keypoints: those given, COCO's for 17 of them, else the usual.

    Raises:
        ValueError: if images have different numbers of keypoints, or there are more or fewer
            sigmas.
    """
    counts = {image["keypoints"].shape[1] for image in images if len(image["keypoints"])}
    count = next(iter(counts), 0)
    if len(counts) > 1 or (sigmas is not None and counts and len(sigmas) != count):
        given = "None" if sigmas is None else len(sigmas)
        raise ValueError(
            "`keypoints` must be as many in truth and result of all images, one for each of the "
            f"sigmas. Received: {sorted(counts)} keypoints, {given} sigmas."
        )
    if sigmas is not None:
        return sigmas
    return np.array(COCO_SIGMAS if count == len(COCO_SIGMAS) else (USUAL_SIGMA,) * count)
