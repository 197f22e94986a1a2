"""What evaluation, pictures and commands know of a task: one class each, and a table of them.

`headline` is the number a training is judged by, `shown` those of a short line; `results` are the
fields of a prediction that are used.
"""

from typing import Any

import numpy as np

from keras_struct import metrics
from keras_struct.training.drawing import draw_detections, draw_label_maps


class Detection:
    """Boxes with a class and a score."""

    headline = "mAP"
    shown = ("mAP", "mAP_50", "voc12_mAP")
    results = ("boxes", "scores", "labels")

    @staticmethod
    def metrics(class_names: tuple[str, ...]) -> Any:
        """The numbers of a data set, to be filled by `update`."""
        return metrics.DetectionMetrics(class_names)

    @staticmethod
    def update(numbers: Any, dataset: Any, index: int, result: dict[str, np.ndarray]) -> None:
        """Add the result of one image, in original pixels."""
        numbers.update(index, dataset.annotation(index), result)

    @staticmethod
    def to_original(
        result: dict[str, np.ndarray], size: tuple[int, int], image_size: Any, resize: str
    ) -> dict[str, np.ndarray]:
        """Bring boxes to the pixels of the original image, clipped to it, and drop the padding."""
        from keras_struct.data import to_original  # needs TensorFlow: not for every backend

        keep = result["labels"] >= 0
        return {
            "boxes": to_original(result["boxes"][keep], size, image_size, resize),
            "scores": result["scores"][keep],
            "labels": result["labels"][keep],
        }

    @staticmethod
    def picture(
        sample: dict, result: dict, class_names: tuple[str, ...], scale: float, min_score=0.3
    ) -> np.ndarray:
        """Draw what was found with at least `min_score`, over white true boxes."""
        shown = {name: value[result["scores"] >= min_score] for name, value in result.items()}
        truth = sample["bounding_boxes"]
        return draw_detections(sample["images"], shown, class_names, truth, scale)


class Segmentation:
    """A class for every pixel."""

    headline = "mIoU"
    shown = ("mIoU", "pixel_accuracy", "boundary_F")
    results = ("segmentation",)

    @staticmethod
    def metrics(class_names: tuple[str, ...]) -> Any:
        """The numbers of a data set, to be filled by `update`."""
        return metrics.SegmentationMetrics(class_names)

    @staticmethod
    def update(numbers: Any, dataset: Any, index: int, result: dict[str, np.ndarray]) -> None:
        """Add the result of one image, in original pixels."""
        numbers.update(dataset.label_map(index), result["segmentation"])

    @staticmethod
    def to_original(
        result: dict[str, np.ndarray], size: tuple[int, int], image_size: Any, resize: str
    ) -> dict[str, np.ndarray]:
        """Bring a label map to the pixels of the original image."""
        from keras_struct.data import label_map_to_original

        labels = label_map_to_original(result["segmentation"], size, image_size, resize)
        return {"segmentation": labels}

    @staticmethod
    def picture(
        sample: dict, result: dict, class_names: tuple[str, ...], scale: float, opacity=0.6
    ) -> np.ndarray:
        """Draw the true classes over the image and, beside them, the predicted ones."""
        maps = (sample["segmentation_masks"][..., 0], result["segmentation"])
        return draw_label_maps(sample["images"], maps, scale, opacity)


TASKS = {"detection": Detection, "segmentation": Segmentation}


def task_of(name: str | None) -> type:
    """The task called `name`.

    Raises:
        ValueError: if there is none.
    """
    if name not in TASKS:
        raise ValueError(f"`task` must be one of {tuple(TASKS)}. Received: task={name!r}.")
    return TASKS[name]
