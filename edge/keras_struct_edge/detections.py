"""Detections: what a detector found in one image."""

import collections
import dataclasses
import json
from collections.abc import Iterable, Iterator

import numpy as np

from .classes import checked_names, labels_of, name_of
from .masks import decode_mask, encode_mask

_FIELDS = ("boxes", "scores", "labels", "masks", "keypoints")


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """Boxes found in one image, best first, as read-only numpy arrays.

    Indexing with an int, a slice, a mask or an index array gives Detections again:
    `detections[detections.scores > 0.5]`.

    Args:
        boxes: (N, 4) float32, xyxy, pixels of the original image, continuous edges.
        scores: (N,) float32 in [0, 1].
        labels: (N,) int32, an index into `class_names`.
        class_names: names of all classes; may be empty where a model has no names.
        masks: (N, H, W) bool, the pixels of each object; None where a model gives none.
        keypoints: (N, J, 3) float32, x, y in pixels of the original image and a score in [0, 1];
            None where a model gives none.
        keypoint_names: J names; may be empty.
        skeleton: pairs of keypoints, numbers from 0, that drawings join.

    Raises:
        ValueError: if shapes disagree, a value is not finite, a box is turned inside out, a score
            is outside [0, 1], a label has no class or a pair of the skeleton no keypoint.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...] = ()
    masks: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        boxes = _frozen(self.boxes, np.float32, "boxes", (None, 4))
        fields = {
            "boxes": boxes,
            "scores": _frozen(self.scores, np.float32, "scores", (len(boxes),)),
            "labels": _frozen(self.labels, np.int32, "labels", (len(boxes),)),
            "class_names": checked_names(self.class_names),
            "keypoint_names": checked_names(self.keypoint_names),
            "skeleton": tuple((int(first), int(second)) for first, second in self.skeleton),
        }
        if self.masks is not None:
            fields["masks"] = _frozen(self.masks, np.bool_, "masks", (len(boxes), None, None))
        if self.keypoints is not None:
            shape = (len(boxes), None, 3)
            fields["keypoints"] = _frozen(self.keypoints, np.float32, "keypoints", shape)
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        _check_values(boxes, self.scores, self.labels, self.class_names)
        _check_keypoints(self.keypoints, self.keypoint_names, self.skeleton)

    @classmethod
    def empty(cls, class_names: Iterable[str] = ()) -> "Detections":
        """Nothing found."""
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int32), tuple(class_names))

    @classmethod
    def from_dict(cls, data: dict) -> "Detections":
        """Undo `to_dict`."""
        found, details = data["detections"], {}
        if "mask_size" in data:
            masks = [decode_mask(one["mask"]) for one in found]
            details["masks"] = np.array(masks, bool).reshape(-1, *data["mask_size"])
        if "num_keypoints" in data:
            points = np.array([one["keypoints"] for one in found], np.float32)
            details["keypoints"] = points.reshape(-1, data["num_keypoints"], 3)
        return cls(
            np.array([one["box"] for one in found], np.float32).reshape(-1, 4),
            np.array([one["score"] for one in found], np.float32),
            np.array([one["label"] for one in found], np.int32),
            tuple(data["class_names"]),
            keypoint_names=tuple(data.get("keypoint_names", ())),
            skeleton=tuple(data.get("skeleton", ())),
            **details,
        )

    @property
    def names(self) -> list[str]:
        """The class name of every detection."""
        return [self.class_name(label) for label in self.labels]

    def class_name(self, label: int) -> str:
        """The name of a label ("class 3" where the model has no names)."""
        return name_of(label, self.class_names)

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator["Detections"]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index) -> "Detections":
        if isinstance(index, int | np.integer) and not isinstance(index, bool | np.bool_):
            index = [index]  # also makes an index past the end an IndexError, which ends `for`
        elif isinstance(index, list) and not index:
            index = slice(0)
        present = (name for name in _FIELDS if getattr(self, name) is not None)
        return dataclasses.replace(self, **{name: getattr(self, name)[index] for name in present})

    def without_details(self) -> "Detections":
        """The boxes with scores and labels alone: no masks, no keypoints."""
        return Detections(self.boxes, self.scores, self.labels, self.class_names)

    def __eq__(self, other) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        words = ("class_names", "keypoint_names", "skeleton")
        # two that are None are equal arrays to numpy, and one of them is not
        return all(getattr(self, name) == getattr(other, name) for name in words) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _FIELDS
        )

    def filter(
        self, min_score: float = 0.0, classes: Iterable[str | int] | None = None
    ) -> "Detections":
        """Keep detections with a score of at least `min_score`, of the given classes.

        Args:
            min_score: float in [0, 1].
            classes: names or labels to keep; None keeps all.

        Raises:
            ValueError: if `min_score` is outside [0, 1] or a class is unknown.
        """
        if not 0 <= min_score <= 1:
            raise ValueError(f"`min_score` must be in [0, 1]. Received: min_score={min_score!r}.")
        keep = self.scores >= np.float32(min_score)
        if classes is not None:
            keep &= np.isin(self.labels, labels_of(classes, self.class_names))
        return self[keep]

    def summary(self) -> str:
        """One line: how many of each class."""
        counts = collections.Counter(self.names)
        return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing found"

    def lines(self) -> list[str]:
        """One line for each detection: name, score and x1 y1 x2 y2."""
        rows = zip(self.names, self.scores, self.boxes, strict=True)
        return [
            f"{name:20s} {score:5.2f} {' '.join(f'{edge:8.1f}' for edge in box)}"
            for name, score, box in rows
        ]

    def to_dict(self) -> dict:
        """Plain Python values, ready for JSON; `from_dict` reads them back exactly.

        A mask is COCO's run lengths, {"size": [H, W], "counts": compressed text}.
        """
        found = [
            {
                "label": int(label),
                "name": self.class_name(label),
                "score": _shortest(score),
                "box": [_shortest(edge) for edge in box],
            }
            for box, score, label in zip(self.boxes, self.scores, self.labels, strict=True)
        ]
        data = {"class_names": list(self.class_names)}
        if self.masks is not None:
            data["mask_size"] = list(self.masks.shape[1:])
            for one, mask in zip(found, self.masks, strict=True):
                one["mask"] = encode_mask(mask)
        if self.keypoints is not None:
            data["num_keypoints"] = self.keypoints.shape[1]
            data["keypoint_names"] = list(self.keypoint_names)
            data["skeleton"] = [list(pair) for pair in self.skeleton]
            for one, points in zip(found, self.keypoints, strict=True):
                one["keypoints"] = [[_shortest(value) for value in point] for point in points]
        return {**data, "detections": found}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text; boxes are xyxy in pixels of the original image."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def draw(self, image, line_width: int | None = None):
        """Draw boxes, names and scores, masks and keypoints over a copy of `image`.

        Args:
            image: (H, W, 3) uint8 RGB array, or a Pillow image.
            line_width: pixels; None suits it to the image's size.

        Returns:
            What was given: a new (H, W, 3) uint8 array or a new Pillow image (RGB).
        """
        from .drawing import draw_detections

        return draw_detections(image, self, line_width)


def _shortest(value):
    # str(float32) is the shortest text that reads back as the same float32: 0.9, not 0.89999998
    return float(str(value))


def _frozen(value, dtype, name, shape):
    array = np.asarray(value)
    right_rank = array.ndim == len(shape)
    if not right_rank or any(b not in (None, a) for a, b in zip(array.shape, shape, strict=True)):
        wanted = tuple("N" if size is None else size for size in shape)
        raise ValueError(
            f"`{name}` must have shape {wanted}, one row for each box. "
            f"Received: {name} of shape {array.shape}."
        )
    if dtype == np.int32 and array.size and not np.array_equal(array, np.round(array)):
        raise ValueError(f"`{name}` must be whole numbers. Received: {name}={array!r}.")
    if dtype == np.bool_ and array.dtype != dtype and not np.isin(array, (0, 1)).all():
        raise ValueError(f"`{name}` must be True or False. Received: {name} of {array.dtype}.")
    if array.dtype == dtype and not array.flags.writeable:
        return array  # nobody can change it: masks of a large photo are not copied
    array = array.astype(dtype)
    array.setflags(write=False)
    return array


def _check_values(boxes, scores, labels, names):
    if not np.isfinite(boxes).all():
        raise ValueError("`boxes` must be finite. Received: boxes with NaN or infinity.")
    if (boxes[:, 2:] < boxes[:, :2]).any():
        bad = boxes[(boxes[:, 2:] < boxes[:, :2]).any(axis=1)][0]
        raise ValueError(f"`boxes` must be xyxy with x2 >= x1, y2 >= y1. Received: {bad.tolist()}.")
    # a little slack, as half precision rounds; comparisons are false for NaN too
    if not ((scores >= 0) & (scores <= 1.001)).all():
        raise ValueError(f"`scores` must be in [0, 1]. Received: scores={scores.tolist()}.")
    limit = len(names) or np.inf
    if not ((labels >= 0) & (labels < limit)).all():
        raise ValueError(
            f"`labels` must be at least 0 and below the {limit} classes. "
            f"Received: labels={labels.tolist()}."
        )


def _check_keypoints(keypoints, names, skeleton):
    if keypoints is None:
        if names or skeleton:
            raise ValueError(
                "`keypoint_names` and `skeleton` must come with `keypoints`. "
                f"Received: keypoint_names={names!r}, skeleton={skeleton!r}."
            )
        return
    if not np.isfinite(keypoints).all():
        raise ValueError("`keypoints` must be finite. Received: keypoints with NaN or infinity.")
    count = keypoints.shape[1]
    if names and len(names) != count:
        raise ValueError(
            f"`keypoint_names` must be {count} names, one for each keypoint. "
            f"Received: {len(names)} names."
        )
    if any(not 0 <= end < count for pair in skeleton for end in pair):
        raise ValueError(
            f"`skeleton` must be pairs of numbers from 0 to {count - 1}. "
            f"Received: skeleton={skeleton!r}."
        )
