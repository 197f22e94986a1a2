"""How good an artefact is, by task: a new task adds one class to `ACCURACIES`."""

import abc
from typing import Any

import numpy as np

from keras_struct.data.tasks import TASK_FIELDS
from keras_struct.training.tasks import task_of


class Accuracy(abc.ABC):
    """The figures of one artefact on a data set, in the pixels of the original images.

    Subclasses say for which `task`, which figures an artefact with a card has (`names`, the first
    is the headline) and which attributes of the answers of `keras_struct_edge` the fields of a
    result are (`fields`; an answer may lack some).

    Args:
        dataset: a data set with the annotation of the task.
        card: of the artefact.
    """

    task: str
    fields: dict[str, str]

    def __init__(self, dataset: Any, card: dict[str, Any]):
        self._dataset, self._task = dataset, task_of(self.task, card)
        self._numbers = self._task.metrics(tuple(dataset.class_names))
        self._names = self.names(card)

    @staticmethod
    @abc.abstractmethod
    def names(card: dict[str, Any]) -> tuple[str, ...]:
        """Return what the figures of an artefact with this card are called."""

    def update(self, index: int, result: dict[str, np.ndarray]) -> None:
        """Add the fields of the result of image `index`."""
        self._task.update(self._numbers, self._dataset, index, result)

    def result(self) -> dict[str, float]:
        """Return the figures called `names`, without those the data is not annotated for."""
        numbers = self._numbers.result()
        return {name: float(numbers[name]) for name in self._names if name in numbers}


class DetectionAccuracy(Accuracy):
    """COCO's mean average precision, of masks and keypoints first where an artefact gives them."""

    task = "detection"
    fields = {name: name for name in ("boxes", "scores", "labels", "masks", "keypoints")}

    @staticmethod
    def names(card: dict[str, Any]) -> tuple[str, ...]:
        """Return what the figures of an artefact with this card are called."""
        return tuple(name for name in task_of("detection", card).shown if "voc" not in name)

    @staticmethod
    def truth(dataset: Any, index: int) -> dict[str, Any]:
        """Return the annotated boxes of image `index`, with masks where it has them."""
        annotation = dataset.annotation(index)
        truth = {"boxes": annotation["boxes"], "labels": annotation["labels"]}
        if "instance_masks" in dataset.fields:
            truth["masks"] = dataset.mask_runs(index)
        return truth


class SegmentationAccuracy(Accuracy):
    """Mean intersection over union of label maps."""

    task = "segmentation"
    fields = {"segmentation": "labels"}

    @staticmethod
    def names(card: dict[str, Any]) -> tuple[str, ...]:
        """Return what the figures of an artefact are called."""
        return ("mIoU", "pixel_accuracy")

    @staticmethod
    def truth(dataset: Any, index: int) -> dict[str, np.ndarray]:
        """Return the annotated label map (H, W) of image `index`, 255 where it is ignored."""
        return {"segmentation": dataset.label_map(index)}


ACCURACIES = {entry.task: entry for entry in (DetectionAccuracy, SegmentationAccuracy)}


def accuracy_of(task: str) -> type:
    """Return the class that scores a task.

    Raises:
        ValueError: if no accuracy is known for `task`.
    """
    if task not in ACCURACIES:
        raise ValueError(
            f"`task` must be one of {sorted(ACCURACIES)}. Received: task={task!r}. "
            "Benchmark an artefact that was exported with its decoder."
        )
    return ACCURACIES[task]


def common_task(tasks: list[str | None], fields: tuple[str, ...]) -> str:
    """Return the one task of several artefacts.

    Args:
        tasks: of the artefacts; None for a file that does not say.
        fields: that the data set can be read for.

    Raises:
        ValueError: if they have different tasks: one table cannot hold their figures.
    """
    known = list(dict.fromkeys(task for task in tasks if task in ACCURACIES))
    if len(known) > 1:
        raise ValueError(
            f"`--model` must name models of one task. Received: models of {known}. "
            "Benchmark each task by itself."
        )
    # without any there are only rows that failed: what the data set holds decides their columns
    return (known or [task for task in ACCURACIES if TASK_FIELDS[task] in fields])[0]
