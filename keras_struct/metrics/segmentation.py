"""How good label maps are: intersection over union, accuracy, and how well boundaries are met."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_struct.metrics import boundaries
from keras_struct.ops.labels import IGNORED

_TOLERANCE = 0.0075


class SegmentationMetrics:
    """Collects label maps image by image; keeps a table of classes by classes, never pixels.

    All numbers but the boundary F come from one confusion matrix over all images: their IoU is not
    a mean of the images' IoUs. -1.0 means there was nothing to measure: a class in neither truth
    nor prediction has no IoU and is left out of "mIoU"; one that is not in the truth has no
    accuracy and is left out of "mean_accuracy".

    The boundary F of a class in an image is 2PR / (P + R): P is the share of predicted boundary
    pixels of the class that have a true one within the tolerance, R the reverse; 0 where only one
    of both maps has any. It is averaged over the images in which the class has a boundary in
    either map, then over classes. Ignored pixels no farther than the tolerance from a labelled one
    count as labelled alike when boundaries are sought, as outlines are often left unlabelled.

    Args:
        class_names: names of the classes, all different; label c is `class_names[c]`.
        boundary_tolerance: float, pixels; None for 0.0075 of an image's diagonal.
        trimap_width: int, pixels on either side of true boundaries: gives "trimap_accuracy" and
            "trimap_mIoU" of the pixels in this band. None leaves them out.

    Raises:
        ValueError: if an argument is out of its range; from `update` if shapes differ or a label
            is unknown; from `result` if no pixel was counted.

    Example:
        >>> metrics = SegmentationMetrics(["road", "tree"])
        >>> metrics.update([[0, 0, 255, 1]], [[0, 1, 1, 1]])
        >>> metrics.result()["mIoU"]
        0.5

    Source: Long et al. 2015, arXiv:1411.4038, section 5 (accuracies, IoU, frequency weighted);
        Csurka et al. 2013, BMVC, section 3 (boundary F, tolerance); Kohli et al. 2009, IJCV 82(3),
        section 6 (trimap). Deviation: tolerance in fractions of a pixel, not rounded.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        boundary_tolerance: float | None = None,
        trimap_width: int | None = None,
    ) -> None:
        names = tuple(class_names)
        if isinstance(class_names, str) or not 0 < len(set(names)) == len(names) <= IGNORED:
            raise ValueError(
                f"`class_names` must be 1 to {IGNORED} different names. "
                f"Received: class_names={class_names!r}."
            )
        if boundary_tolerance is not None and not 0 <= boundary_tolerance < math.inf:
            raise ValueError(
                "`boundary_tolerance` must be a number of pixels of at least 0, or None. "
                f"Received: boundary_tolerance={boundary_tolerance!r}."
            )
        if trimap_width is not None and (trimap_width < 1 or int(trimap_width) != trimap_width):
            raise ValueError(
                "`trimap_width` must be a whole number of pixels of at least 1, or None. "
                f"Received: trimap_width={trimap_width!r}."
            )
        self.class_names = names
        self.boundary_tolerance = boundary_tolerance
        self.trimap_width = trimap_width
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        count = len(self.class_names)
        self.confusion = np.zeros((count, count), np.int64)
        self._band = np.zeros((count, count), np.int64)
        self._boundary_sum = np.zeros(count)
        self._boundary_images = np.zeros(count, np.int64)
        self._images = 0

    def __len__(self) -> int:
        return self._images

    def update(self, truth: Any, predicted: Any) -> None:
        """Add one image.

        Args:
            truth: (H, W) int labels, 255 is ignored.
            predicted: (H, W) int labels.

        Raises:
            ValueError: if the shapes differ or a label is unknown.
        """
        truth, predicted = np.asarray(truth), np.asarray(predicted)
        if truth.shape != predicted.shape or truth.ndim != 2 or truth.size == 0:
            raise ValueError(
                "`truth` and `predicted` must have one shape (H, W). "
                f"Received: {truth.shape} and {predicted.shape}."
            )
        self._check_labels("truth", truth, (IGNORED,))
        self._check_labels("predicted", predicted, ())
        self.confusion += self._table(truth, predicted, truth != IGNORED)
        self._add_boundaries(truth, predicted)
        self._images += 1

    def result(self) -> dict[str, Any]:
        """The numbers over all images added since the last `reset`.

        Returns:
            dict of floats in [0, 1], or -1.0: "mIoU", "fwIoU" (weighted by how often a class
            occurs in the truth), "pixel_accuracy", "mean_accuracy", "boundary_F"; with a
            `trimap_width` "trimap_accuracy" and "trimap_mIoU"; and "per_class": {name: {"IoU",
            "accuracy", "boundary_F"}}.

        Raises:
            ValueError: if no pixel was counted.
        """
        total = self.confusion.sum()
        if total == 0:
            raise ValueError(
                "`result` must come after images with pixels that are not ignored. "
                f"Received: {self._images} images, 0 pixels."
            )
        ious, accuracies = _ious(self.confusion), _accuracies(self.confusion)
        edges = _divide(self._boundary_sum, self._boundary_images)
        shares = self.confusion.sum(1) / total
        numbers = {
            "mIoU": _mean(ious),
            "fwIoU": float(np.sum(shares[shares > 0] * ious[shares > 0])),
            "pixel_accuracy": float(np.trace(self.confusion) / total),
            "mean_accuracy": _mean(accuracies),
            "boundary_F": _mean(edges),
        }
        if self.trimap_width is not None:
            right, band = np.trace(self._band), self._band.sum()
            numbers["trimap_accuracy"] = float(right / band) if band else -1.0
            numbers["trimap_mIoU"] = _mean(_ious(self._band))
        columns = {"IoU": ious, "accuracy": accuracies, "boundary_F": edges}
        numbers["per_class"] = {
            name: {key: float(values[c]) for key, values in columns.items()}
            for c, name in enumerate(self.class_names)
        }
        return numbers

    def _check_labels(self, name, labels, others):
        if labels.dtype.kind not in "iu":
            raise ValueError(f"`{name}` must hold whole numbers. Received: dtype {labels.dtype}.")
        found = np.unique(labels)
        count = len(self.class_names)
        unknown = [int(label) for label in found if not 0 <= label < count and label not in others]
        if unknown:
            ignored = " or 255, which is ignored" if others else ""
            raise ValueError(
                f"`{name}` must hold labels from 0 to {count - 1}{ignored}. "
                f"Received: {unknown[:10]}."
            )

    def _table(self, truth, predicted, counted):
        count = len(self.class_names)
        pairs = truth[counted].astype("int64") * count + predicted[counted]
        return np.bincount(pairs, minlength=count**2).reshape(count, count)

    def _add_boundaries(self, truth, predicted):
        radius = self.boundary_tolerance
        radius = _TOLERANCE * math.hypot(*truth.shape) if radius is None else radius
        filled = boundaries.fill_ignored(truth, math.ceil(radius))
        shown = np.where(filled == IGNORED, IGNORED, predicted)
        count = len(self.class_names)
        pixels, found = boundaries.match_boundaries(filled, shown, radius, count)
        guesses, right = boundaries.match_boundaries(shown, filled, radius, count)
        recall = found / np.maximum(pixels, 1)
        precision = right / np.maximum(guesses, 1)
        self._boundary_sum += 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        self._boundary_images += pixels + guesses > 0
        if self.trimap_width is not None:
            band = boundaries.dilate(boundaries.boundary_pixels(filled), self.trimap_width - 1)
            self._band += self._table(truth, predicted, band & (truth != IGNORED))


def _ious(table):
    shared = np.diag(table)
    return _divide(shared, table.sum(0) + table.sum(1) - shared)


def _accuracies(table):
    return _divide(np.diag(table), table.sum(1))


def _divide(numbers, counts):
    return np.where(counts > 0, numbers / np.maximum(counts, 1), -1.0)


def _mean(values):
    defined = values[values >= 0]
    return float(np.mean(defined)) if len(defined) else -1.0
