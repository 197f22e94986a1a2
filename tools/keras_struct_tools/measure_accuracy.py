"""How good an artefact is, by task: a new task adds one class to `ACCURACIES`."""

from typing import Any

import numpy as np

from keras_struct.data.tasks import TASK_FIELDS
from keras_struct.training.tasks import task_of


class Accuracy:
    """The figures of one artefact on a data set, in the pixels of the original images.

    Subclasses say for which `task`, which figures are shown (`names`, the first is the headline)
    and which attributes of the answers of `keras_struct_edge` the fields of a result are
    (`fields`).

    Args:
        dataset: a data set with the annotation of the task.
    """

    task: str
    names: tuple[str, ...]
    fields: dict[str, str]

    def __init__(self, dataset: Any):
        self._dataset, self._task = dataset, task_of(self.task)
        self._numbers = self._task.metrics(tuple(dataset.class_names))

    def update(self, index: int, result: dict[str, np.ndarray]) -> None:
        """Add the fields of the result of image `index`."""
        self._task.update(self._numbers, self._dataset, index, result)

    def result(self) -> dict[str, float]:
        """Return the figures called `names`."""
        numbers = self._numbers.result()
        return {name: float(numbers[name]) for name in self.names}


class DetectionAccuracy(Accuracy):
    """COCO's mean average precision."""

    task = "detection"
    names = ("mAP", "mAP_50")
    fields = {"boxes": "boxes", "scores": "scores", "labels": "labels"}

    @staticmethod
    def truth(dataset: Any, index: int) -> dict[str, np.ndarray]:
        """Return the annotated boxes of image `index`."""
        annotation = dataset.annotation(index)
        return {"boxes": annotation["boxes"], "labels": annotation["labels"]}


class SegmentationAccuracy(Accuracy):
    """Mean intersection over union of label maps."""

    task = "segmentation"
    names = ("mIoU", "pixel_accuracy")
    fields = {"segmentation": "labels"}

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
