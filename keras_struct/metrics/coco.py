"""COCO's numbers, computed by `faster-coco-eval`: here is only the way there and back."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

NAMES = (
    *("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)

# evaluated together: the library wants a dict of 1.3 kB for each
_MOST_BOXES = 50_000


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
    curves = []
    for labels in _groups(truths, results, num_classes):
        evaluation = _evaluate(truths, results, labels)
        curves.append((evaluation.eval["precision"], evaluation.eval["recall"]))
    # COCO's means are over all that is defined, so that the classes can be joined afterwards
    precision, recall = zip(*curves, strict=True)
    precision = np.concatenate(precision, axis=2)
    evaluation.eval |= {"precision": precision, "recall": np.concatenate(recall, axis=1)}
    evaluation.summarize()
    numbers = {name: float(v) for name, v in zip(NAMES, evaluation.stats, strict=True)}
    precision = precision[:, :, :, 0, -1]
    return numbers, _class_means(precision), _class_means(precision[:1])


def _groups(truths: Sequence[dict], results: Sequence[dict], num_classes: int) -> list[range]:
    """Runs of classes with at most `_MOST_BOXES` boxes, or a single class with more."""
    labels = np.concatenate([image["labels"] for image in (*truths, *results)])
    starts, boxes = [0], 0
    for label, count in enumerate(np.bincount(labels, minlength=num_classes).tolist()):
        if label > starts[-1] and boxes + count > _MOST_BOXES:
            starts.append(label)
            boxes = 0
        boxes += count
    return [range(*edges) for edges in itertools.pairwise([*starts, num_classes])]


def _evaluate(truths: Sequence[dict], results: Sequence[dict], labels: range):
    """COCO's evaluator with the curves of these classes."""
    from faster_coco_eval import COCO, COCOeval_faster

    header = {
        "images": [{"id": index + 1} for index in range(len(truths))],
        "categories": [{"id": label + 1, "name": str(label)} for label in labels],
    }
    truth = COCO({**header, "annotations": list(_annotations(truths, labels))})
    found = COCO({**header, "annotations": list(_annotations(results, labels))})
    evaluation = COCOeval_faster(truth, found, iouType="bbox", print_function=_silent)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _annotations(images: Sequence[dict], labels: range) -> Iterable[dict]:
    number = 0
    for index, image in enumerate(images):
        own = (image["labels"] >= labels.start) & (image["labels"] < labels.stop)
        boxes = image["boxes"][own]
        sizes = boxes[:, 2:] - boxes[:, :2]
        areas = image["areas"][own] if "areas" in image else sizes[:, 0] * sizes[:, 1]
        crowd = image["crowd"][own] if "crowd" in image else np.zeros(len(boxes), bool)
        scores = image["scores"][own] if "scores" in image else np.ones(len(boxes))
        categories = image["labels"][own] + 1
        boxes = np.concatenate([boxes[:, :2], sizes], axis=1)
        columns = [column.tolist() for column in (categories, boxes, areas, crowd, scores)]
        for category, box, area, is_crowd, score in zip(*columns, strict=True):
            number += 1  # from 1: the library takes annotation 0 for "not matched"
            yield {
                "id": number,
                "image_id": index + 1,
                "category_id": category,
                "bbox": box,
                "area": area,
                "iscrowd": int(is_crowd),
                "score": score,
            }


def _class_means(precision: np.ndarray) -> np.ndarray:
    """Mean over IoU and recall of (T, R, C); a class without objects is -1 throughout."""
    return precision.mean(axis=(0, 1))


def _silent(*_args, **_kwargs) -> None:
    """Take what the library would print."""
