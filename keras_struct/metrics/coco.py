"""COCO's numbers, computed by `faster-coco-eval`: here is only the way there and back."""

from collections.abc import Iterable, Sequence

import numpy as np

NAMES = (
    *("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)


def coco_numbers(
    truths: Sequence[dict], results: Sequence[dict], num_classes: int
) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """The 12 numbers over a list of images, and AP by class.

    Args:
        truths: one dict an image: "boxes" (N, 4) xyxy, "labels", "crowd", "areas" (N,).
        results: one dict an image: "boxes" (K, 4) xyxy, "scores", "labels" (K,).
        num_classes: int, labels are 0 ... num_classes - 1.

    Returns:
        ({name: float}, AP (num_classes,), AP at IoU 0.5 (num_classes,)); -1 where there is no
        object to find, which is how COCO writes "not defined".
    """
    if not any(len(truth["labels"]) for truth in truths):
        undefined = np.full(num_classes, -1.0)
        return dict.fromkeys(NAMES, -1.0), undefined, undefined
    from faster_coco_eval import COCO, COCOeval_faster

    header = {
        "images": [{"id": index + 1} for index in range(len(truths))],
        "categories": [{"id": label + 1, "name": str(label)} for label in range(num_classes)],
    }
    truth = COCO({**header, "annotations": list(_annotations(truths))})
    found = COCO({**header, "annotations": list(_annotations(results))})
    evaluation = COCOeval_faster(truth, found, iouType="bbox", print_function=_silent)
    evaluation.run()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    numbers = {name: float(v) for name, v in zip(NAMES, evaluation.stats, strict=True)}
    return numbers, _class_means(precision), _class_means(precision[:1])


def _annotations(images: Sequence[dict]) -> Iterable[dict]:
    number = 0
    for index, image in enumerate(images):
        boxes = image["boxes"]
        sizes = boxes[:, 2:] - boxes[:, :2]
        areas = image.get("areas", sizes[:, 0] * sizes[:, 1]).tolist()
        crowd = image.get("crowd", np.zeros(len(boxes), bool)).tolist()
        scores = image.get("scores", np.ones(len(boxes))).tolist()
        labels = image["labels"].tolist()
        for i, box in enumerate(np.concatenate([boxes[:, :2], sizes], axis=1).tolist()):
            number += 1  # from 1: the library takes annotation 0 for "not matched"
            yield {
                "id": number,
                "image_id": index + 1,
                "category_id": labels[i] + 1,
                "bbox": box,
                "area": areas[i],
                "iscrowd": int(crowd[i]),
                "score": scores[i],
            }


def _class_means(precision: np.ndarray) -> np.ndarray:
    """Mean over IoU and recall of (T, R, C); a class without objects is -1 throughout."""
    return precision.mean(axis=(0, 1))


def _silent(*_args, **_kwargs) -> None:
    """Take what the library would print."""
