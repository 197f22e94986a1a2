"""Segmentation: the class of every pixel of one image."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .classes import checked_names, label_of, labels_of, name_of

NO_CLASS = 255


@dataclasses.dataclass(frozen=True, eq=False)
class Segmentation:
    """The label map of one image, as read-only numpy arrays.

    Args:
        labels: (H, W) uint8, pixels of the original image: an index into `class_names`, or 255
            where a pixel has no class.
        class_names: names of all classes, at most 255; may be empty where a model has no names.
        probabilities: (H, W, C) float32 in [0, 1], of every class, or None.

    Raises:
        ValueError: if shapes disagree, a label has no class or a probability is outside [0, 1].
    """

    labels: np.ndarray
    class_names: tuple[str, ...] = ()
    probabilities: np.ndarray | None = None

    def __post_init__(self):
        names = checked_names(self.class_names)
        labels = _checked_labels(self.labels, names)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "class_names", names)
        if self.probabilities is not None:
            found = _checked_probabilities(self.probabilities, labels.shape, len(names))
            object.__setattr__(self, "probabilities", found)

    @classmethod
    def empty(cls, class_names: Iterable[str] = ()) -> "Segmentation":
        """One pixel without class."""
        return cls(np.full((1, 1), NO_CLASS, np.uint8), tuple(class_names))

    @classmethod
    def from_dict(cls, data: dict) -> "Segmentation":
        """Undo `to_dict`.

        Raises:
            ValueError: if the runs do not add up to the size.
        """
        values, counts = data["runs"][::2], data["runs"][1::2]
        height, width = data["height"], data["width"]
        if len(values) != len(counts) or sum(counts) != height * width:
            raise ValueError(
                f"`runs` must add up to height x width = {height * width} pixels. "
                f"Received: {sum(counts)} pixels in {len(counts)} runs. The file may be cut short."
            )
        labels = np.repeat(np.array(values, np.int32), counts).reshape(height, width)
        return cls(labels, tuple(data["class_names"]))

    @property
    def areas(self) -> dict[str, dict]:
        """{name: {"label", "pixels", "fraction"}} of the classes seen, the largest first."""
        counts = np.bincount(self.labels.ravel(), minlength=NO_CLASS)[:NO_CLASS]
        order = np.argsort(-counts, kind="stable")
        return {
            self.class_name(label): {
                "label": int(label),
                "pixels": int(counts[label]),
                "fraction": int(counts[label]) / self.labels.size,
            }
            for label in order[: np.count_nonzero(counts)]
        }

    def class_name(self, label: int) -> str:
        """The name of a label ("class 3" where the model has no names)."""
        return name_of(label, self.class_names)

    def mask(self, one: str | int) -> np.ndarray:
        """(H, W) bool, where the pixels of a class are; the class by its name or label.

        Raises:
            ValueError: if the class is unknown.
        """
        return self.labels == label_of(one, self.class_names)

    def filter(
        self, min_score: float = 0.0, classes: Iterable[str | int] | None = None
    ) -> "Segmentation":
        """Keep pixels of the given classes that are sure enough; the others get no class (255).

        Args:
            min_score: float in [0, 1], least probability of a pixel's class; above 0 it needs
                `probabilities`.
            classes: names or labels to keep; None keeps all.

        Raises:
            ValueError: if `min_score` is outside [0, 1] or cannot be judged, or a class is unknown.
        """
        if not 0 <= min_score <= 1:
            raise ValueError(f"`min_score` must be in [0, 1]. Received: min_score={min_score!r}.")
        keep = np.ones(self.labels.shape, bool)
        if min_score > 0:
            if self.probabilities is None:
                raise ValueError(
                    "`min_score` must be 0 where there are no probabilities. Received: "
                    f"min_score={min_score!r}. Export the model with "
                    "decoder_options={'probabilities': True}."
                )
            keep &= self.probabilities.max(axis=-1) >= np.float32(min_score)
        if classes is not None:
            keep &= np.isin(self.labels, labels_of(classes, self.class_names))
        return dataclasses.replace(self, labels=np.where(keep, self.labels, np.uint8(NO_CLASS)))

    def __eq__(self, other) -> bool:
        if not isinstance(other, Segmentation):
            return NotImplemented
        mine, theirs = self.probabilities, other.probabilities
        same = np.array_equal(self.labels, other.labels) and (mine is None) == (theirs is None)
        same = same and self.class_names == other.class_names
        return same and (mine is None or np.array_equal(mine, theirs))

    def summary(self) -> str:
        """One line: the largest classes and their share of the image."""
        parts = [f"{name} {100 * area['fraction']:.0f} %" for name, area in self.areas.items()]
        more = f", {len(parts) - 5} more" if len(parts) > 5 else ""
        return ", ".join(parts[:5]) + more or "no class"

    def lines(self) -> list[str]:
        """One line for each class that was seen: its name, share of the image and pixels."""
        return [
            f"{name:20s} {100 * area['fraction']:6.2f} % {area['pixels']:10d}"
            for name, area in self.areas.items()
        ]

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON; `from_dict` reads the label map back exactly.

        "runs" holds label, number of pixels, label, number of pixels, ... row by row.
        Probabilities are left out: as text they would be a hundred times the label map.
        """
        flat = self.labels.ravel()
        starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
        counts = np.diff(np.append(starts, flat.size))
        height, width = self.labels.shape
        return {
            "class_names": list(self.class_names),
            "height": height,
            "width": width,
            "areas": self.areas,
            "runs": np.stack((flat[starts], counts), axis=1).ravel().tolist(),
        }

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def draw(self, image, alpha: float = 0.5, legend: bool = True):
        """Lay the colours of the classes over a copy of `image`, with their names in a corner.

        A class called "background", and pixels without class, stay as they are.

        Args:
            image: (H, W, 3) uint8 RGB array, or a Pillow image, of the label map's size.
            alpha: float in [0, 1], 1 hides the image.
            legend: whether to name the classes.

        Returns:
            What was given: a new (H, W, 3) uint8 array or a new Pillow image (RGB).
        """
        from .drawing_label_maps import draw_segmentation

        return draw_segmentation(image, self, alpha, legend)

    def save(self, path: str | Path) -> None:
        """Write the label map as a PNG whose pixels are the labels, shown in class colours.

        Raises:
            ValueError: if `path` does not end in .png: other kinds of file change labels.
        """
        from .drawing_label_maps import palette_image
        from .files import atomic

        path = Path(path)
        if path.suffix.lower() != ".png":
            raise ValueError(f"`path` must end in .png. Received: path={str(path)!r}.")
        with atomic(path) as temporary:
            palette_image(self.labels, self.class_names).save(temporary, optimize=True)


def _checked_labels(value, names):
    labels = np.asarray(value)
    if labels.ndim != 2 or labels.size == 0:
        raise ValueError(
            "`labels` must have shape (H, W) with at least one pixel. "
            f"Received: labels of shape {labels.shape}."
        )
    if not (np.issubdtype(labels.dtype, np.integer) or np.array_equal(labels, np.round(labels))):
        raise ValueError(f"`labels` must be whole numbers. Received: labels of {labels.dtype}.")
    if len(names) > NO_CLASS:
        raise ValueError(
            f"`class_names` must be at most {NO_CLASS} names, as label {NO_CLASS} means no class. "
            f"Received: {len(names)} names."
        )
    limit = len(names) or NO_CLASS
    if labels.min() < 0 or labels.max() >= limit:
        wrong = labels[((labels < 0) | (labels >= limit)) & (labels != NO_CLASS)]
    else:
        wrong = labels[:0]
    if wrong.size:
        raise ValueError(
            f"`labels` must be at least 0 and below the {limit} classes, or {NO_CLASS} for none. "
            f"Received: {np.unique(wrong)[:5].tolist()}."
        )
    labels = labels.astype(np.uint8)
    labels.setflags(write=False)
    return labels


def _checked_probabilities(value, size, num_classes):
    found = np.array(value, np.float32)
    classes = num_classes or found.shape[-1]
    if found.shape != (*size, classes):
        raise ValueError(
            f"`probabilities` must have shape {(*size, num_classes or 'C')}, that of the labels "
            f"and classes. Received: probabilities of shape {found.shape}."
        )
    # a little slack, as half precision rounds; comparisons are false for NaN too
    if not (found.min() >= -0.001 and found.max() <= 1.001):
        raise ValueError(
            "`probabilities` must be in [0, 1]. "
            f"Received: values from {found.min()} to {found.max()}."
        )
    found.setflags(write=False)
    return found
