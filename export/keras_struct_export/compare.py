"""How far the results of an artefact are from those of the model it was made from."""

from dataclasses import dataclass

import numpy as np

from keras_struct_export.compare_detections import compare_image
from keras_struct_export.targets import Tolerance

_DETECTION = ("boxes", "scores", "labels")
_COUNTS = ("images", "compared", "agreed", "missing", "extra", "keypoints", "keypoints_agreed")


@dataclass(frozen=True)
class Comparison:
    """Differences over a set of images.

    Attributes:
        images: int, how many were compared.
        compared: int, detections, pixels or points that had to agree.
        agreed: int, those that did, within the tolerance.
        missing: int, only in the reference; extra: int, only in the artefact's result.
        box_error: pixels, largest difference of an edge or a keypoint that agreed.
        score_error: largest difference of a score that agreed.
        dense_error: of raw outputs, RMS of the difference over RMS of the reference, the worst.
        worst_box_error: pixels, as `box_error` but of all pairs that are plainly the same object.
        worst_score_error: as `score_error` but of all such pairs.
        mask_iou: smallest IoU of the masks of two detections that agreed, None without masks.
            Their probabilities are judged, with other raw outputs, by `dense_error`.
        keypoints: int, keypoints of detections that agreed.
        keypoints_agreed: int, those within the tolerance of boxes and scores.
        keypoint_error: pixels, largest distance of such a keypoint, None without keypoints.
    """

    images: int = 0
    compared: int = 0
    agreed: int = 0
    missing: int = 0
    extra: int = 0
    box_error: float = 0.0
    score_error: float = 0.0
    dense_error: float = 0.0
    worst_box_error: float = 0.0
    worst_score_error: float = 0.0
    mask_iou: float | None = None
    keypoints: int = 0
    keypoints_agreed: int = 0
    keypoint_error: float | None = None

    @property
    def agreement(self) -> float:
        """Fraction that agrees, 1 where there was nothing to compare."""
        return self.agreed / self.compared if self.compared else 1.0

    def within(self, tolerance: Tolerance) -> bool:
        """Whether the artefact may be called the same as the model."""
        dense = self.dense_error <= tolerance.dense
        points = self.keypoints_agreed >= tolerance.agreement * self.keypoints
        return dense and points and self.agreement >= tolerance.agreement

    def plus(self, other: "Comparison") -> "Comparison":
        """Join two comparisons: counts add up, errors take the larger, the IoU the smaller."""
        joined = {}
        for name, value in vars(self).items():
            known = [one for one in (value, getattr(other, name)) if one is not None]
            join = sum if name in _COUNTS else min if name == "mask_iou" else max
            joined[name] = join(known) if known else None
        return Comparison(**joined)

    def __str__(self) -> str:
        masks = "" if self.mask_iou is None else f", smallest mask IoU {self.mask_iou:.3g}"
        points = ""
        if self.keypoint_error is not None:
            points = (
                f", {self.keypoints_agreed} of {self.keypoints} keypoints agree, largest distance "
                f"{self.keypoint_error:.3g} px"
            )
        return (
            f"{self.agreed} of {self.compared} agree on {self.images} images "
            f"({self.missing} missing, {self.extra} extra), largest differences: box "
            f"{self.worst_box_error:.3g} px, score {self.worst_score_error:.3g}, raw outputs "
            f"{self.dense_error:.3g}{masks}{points}"
        )


def compare(
    reference: dict, result: dict, tolerance: Tolerance, score_threshold: float = 0.0
) -> Comparison:
    """Compare results field by field, each after its kind.

    Detections are matched as sets, so equal scores may come in any order; label maps count equal
    pixels, poses their points, anything else is compared as numbers.

    Args:
        reference: {name: (N, ...) array}, from Keras.
        result: the same fields, from the artefact.
        tolerance: what counts as agreeing.
        score_threshold: of the decoder; a detection that near it may appear or vanish.

    Raises:
        ValueError: if `result` lacks a field or has it in another shape.
    """
    _check(reference, result)
    total = Comparison(images=len(next(iter(reference.values()))))
    dense = dict(reference)
    if all(name in reference for name in _DETECTION):
        per_object = _per_object(reference)
        dense = {k: v for k, v in dense.items() if k not in per_object}
        for index in range(total.images):
            one = {name: reference[name][index] for name in per_object}
            other = {name: result[name][index] for name in per_object}
            found = compare_image(one, other, tolerance, score_threshold)
            total = total.plus(Comparison(**found))
    for name, expected in dense.items():
        total = total.plus(_compare_field(name, expected, result[name], tolerance))
    return total


def _per_object(reference: dict) -> tuple[str, ...]:
    lead = reference["scores"].shape
    return tuple(
        name
        for name, value in reference.items()
        if value.shape[: len(lead)] == lead or name == "num_detections"
    )


def _compare_field(name: str, expected, actual, tolerance: Tolerance) -> Comparison:
    if name == "keypoints":
        points = np.abs(actual[..., :2] - expected[..., :2]).max(-1)
        scores = np.abs(actual[..., 2:] - expected[..., 2:]).max(-1, initial=0.0)
        agreed = (points <= tolerance.box) & (scores <= tolerance.score)
        return Comparison(
            compared=agreed.size,
            agreed=int(agreed.sum()),
            box_error=float(points[agreed].max(initial=0.0)),
            score_error=float(scores[agreed].max(initial=0.0)),
            worst_box_error=float(points.max(initial=0.0)),
            worst_score_error=float(scores.max(initial=0.0)),
        )
    if np.issubdtype(expected.dtype, np.integer) or expected.dtype == bool:
        return Comparison(compared=expected.size, agreed=int((actual == expected).sum()))
    return Comparison(dense_error=relative_error(expected, actual))


def relative_error(expected: np.ndarray, actual: np.ndarray) -> float:
    """RMS of the difference over RMS of the reference; infinite if the result is not finite."""
    if not np.isfinite(actual).all():
        return float("inf")
    expected = np.asarray(expected, "float64")
    size = np.sqrt(np.mean(expected**2))
    return float(np.sqrt(np.mean((actual - expected) ** 2)) / max(size, 1e-12))


def _check(reference: dict, result: dict) -> None:
    for name, expected in reference.items():
        if name not in result:
            raise ValueError(
                f"`result` must have the field {name!r}. Received: {sorted(result)}. "
                "Does the card list what the artefact gives?"
            )
        if result[name].shape != expected.shape:
            raise ValueError(
                f"`result[{name!r}]` must have shape {expected.shape}. Received: "
                f"{result[name].shape}. Were both run on the same images?"
            )
