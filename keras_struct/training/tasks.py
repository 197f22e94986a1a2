"""What evaluation, pictures and commands know of a task: one class each, and a table of them.

`headline` is the number a training is judged by, `shown` those of a short line; `results` are the
fields of a prediction that are used, `fields` those of a data set that they are compared with.
All follow from what the card of a model says it gives.
"""

from typing import Any

import numpy as np

from keras_struct import metrics
from keras_struct.ops import run_lengths
from keras_struct.training.drawing import draw_detections, draw_label_maps


class Detection:
    """Boxes with a class and a score, and a mask or keypoints where the model gives them.

    Args:
        card: of the model; "results" may name "masks" and "keypoints", "skeleton" may hold pairs
            of keypoints (numbers from 0) to join in pictures.
    """

    # what may come beside boxes -> field of the data, and its numbers; the first is the headline
    details = {
        "masks": ("instance_masks", ("mask_mAP", "mask_mAP_50")),
        "keypoints": ("keypoints", ("keypoint_mAP", "keypoint_mAP_50")),
    }
    boxes_shown = ("mAP", "mAP_50", "voc12_mAP")
    # of all models there are; the first that a history has is the headline of its model
    every_shown = (*details["masks"][1], *details["keypoints"][1], *boxes_shown)

    def __init__(self, card: dict[str, Any]) -> None:
        given = [name for name in self.details if name in card.get("results", ())]
        self.results = ("boxes", "scores", "labels", *given)
        self.fields = ("bounding_boxes", *(self.details[name][0] for name in given))
        numbers = [number for name in given for number in self.details[name][1]]
        self.shown = (*numbers, *self.boxes_shown)
        self.headline = self.shown[0]
        self.skeleton = tuple(map(tuple, card.get("skeleton") or ()))

    def metrics(self, class_names: tuple[str, ...]) -> Any:
        """The numbers of a data set, to be filled by `update`."""
        return metrics.DetectionMetrics(class_names)

    def update(self, numbers: Any, dataset: Any, index: int, result: dict[str, np.ndarray]) -> None:
        """Add the result of one image, in original pixels.

        Masks and keypoints count where the data set has them; masks are made only now.
        """
        truth = dataset.annotation(index)
        if "masks" in result and "instance_masks" in dataset.fields:
            truth = {**truth, "masks": dataset.mask_runs(index)}
        numbers.update(index, truth, result)

    def to_original(
        self, result: dict[str, np.ndarray], size: tuple[int, int], image_size: Any, resize: str
    ) -> dict[str, Any]:
        """Bring a result to the pixels of the original image, and drop the padding.

        Boxes and keypoints are clipped to the image; masks are pasted into it and kept as run
        lengths.
        """
        from keras_struct.data import to_original  # needs TensorFlow: not for every backend
        from keras_struct.data.mask_paste import paste_mask

        keep = result["labels"] >= 0
        geometry = (size, image_size, resize)
        found = {name: np.asarray(result[name])[keep] for name in self.results}
        if "masks" in found:
            boxes = to_original(found["boxes"], *geometry, clip=False)
            pairs = zip(found["masks"], boxes, strict=True)
            found["masks"] = run_lengths.encode(paste_mask(*pair, size) for pair in pairs)
        if "keypoints" in found:
            points = found["keypoints"].astype("float32")
            corners = np.concatenate(
                [points[..., :2]] * 2, axis=-1
            )  # a point is a box without size
            places = to_original(corners, *geometry)[:, :2].reshape(points[..., :2].shape)
            found["keypoints"] = np.concatenate([places, points[..., 2:]], axis=-1)
        return {**found, "boxes": to_original(found["boxes"], *geometry)}

    def picture(
        self, sample: dict, result: dict, class_names: tuple[str, ...], scale: float, min_score=0.3
    ) -> np.ndarray:
        """Draw what was found with at least `min_score`, over white true boxes."""
        sure = np.flatnonzero(result["scores"] >= min_score)
        shown = {name: [value[row] for row in sure] for name, value in result.items()}
        truth = sample["bounding_boxes"]
        return draw_detections(sample["images"], shown, class_names, truth, scale, self.skeleton)


class Segmentation:
    """A class for every pixel."""

    headline = "mIoU"
    shown = every_shown = ("mIoU", "pixel_accuracy", "boundary_F")
    results = ("segmentation",)
    fields = ("segmentation_masks",)

    def __init__(self, card: dict[str, Any]) -> None:
        """All cards are alike."""

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


def task_of(name: str | None, card: dict[str, Any] | None = None) -> Any:
    """The task called `name`, as the model with this card does it.

    Raises:
        ValueError: if there is none.
    """
    if name not in TASKS:
        raise ValueError(f"`task` must be one of {tuple(TASKS)}. Received: task={name!r}.")
    return TASKS[name](card or {})
