"""How far the results of an artefact are from those of the model it was made from."""

from dataclasses import dataclass

import numpy as np

from keras_struct_export.compare_detections import compare_image
from keras_struct_export.targets import Tolerance

_DETECTION = ("boxes", "scores", "labels")


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

    @property
    def agreement(self) -> float:
        """Fraction that agrees, 1 where there was nothing to compare."""
        return self.agreed / self.compared if self.compared else 1.0

    def within(self, tolerance: Tolerance) -> bool:
        """Whether the artefact may be called the same as the model."""
        dense = self.dense_error <= tolerance.dense
        return dense and self.agreement >= tolerance.agreement

    def plus(self, other: "Comparison") -> "Comparison":
        """Join two comparisons: counts add up, errors take the larger."""
        counts = ("images", "compared", "agreed", "missing", "extra")
        joined = {}
        for name, value in vars(self).items():
            theirs = getattr(other, name)
            joined[name] = value + theirs if name in counts else max(value, theirs)
        return Comparison(**joined)

    def __str__(self) -> str:
        return (
            f"{self.agreed} of {self.compared} agree on {self.images} images "
            f"({self.missing} missing, {self.extra} extra), largest differences: box "
            f"{self.worst_box_error:.3g} px, score {self.worst_score_error:.3g}, raw outputs "
            f"{self.dense_error:.3g}"
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
