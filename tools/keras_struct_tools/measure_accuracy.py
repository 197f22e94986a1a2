"""How good an artefact is, by task: a new task adds one class to `ACCURACIES`."""

from keras_struct.metrics import DetectionMetrics


class DetectionAccuracy:
    """COCO's mean average precision of detections in the pixels of the original images.

    Args:
        class_names: names of the classes, in the order of the labels.
    """

    headline = "mAP"
    names = ("mAP", "mAP_50")
    fields = ("boxes", "scores", "labels")

    def __init__(self, class_names: tuple[str, ...]):
        self._metrics = DetectionMetrics(class_names)

    def update(self, annotation: dict, result: dict) -> None:
        """Add one image: its annotation from the data set and the fields of its result."""
        known = ("boxes", "labels", "crowd", "difficult", "areas")
        truth = {key: annotation[key] for key in known if annotation.get(key) is not None}
        self._metrics.update(annotation["image_id"], truth, result)

    def result(self) -> dict[str, float]:
        """Return the figures called `names`."""
        numbers = self._metrics.result()
        return {name: float(numbers[name]) for name in self.names}


ACCURACIES = {"detection": DetectionAccuracy}


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
