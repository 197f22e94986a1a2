"""COCO's numbers, computed by `faster-coco-eval`: here is only the way there and back."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from keras_struct.ops import run_lengths

_MEANS = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large")
NAMES = {
    "bbox": (*_MEANS, "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
    "segm": tuple(f"mask_{name}" for name in _MEANS),
    "keypoints": tuple(f"keypoint_{name}" for name in _MEANS if name != "mAP_small"),
}

# evaluated together: the library wants a dict of 1.3 kB for each
_MOST_BOXES = 50_000


def coco_numbers(
    truths: Sequence[dict],
    results: Sequence[dict],
    num_classes: int,
    kind: str = "bbox",
    sigmas: Sequence[float] | None = None,
) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """COCO's numbers over a list of images, and AP by class.

    Args:
        truths: one dict an image: "boxes" (N, 4) xyxy, "labels", "crowd", "areas" (N,), and what
            `kind` compares, "masks" (N run lengths) or "keypoints" (N, J, 3).
        results: one dict an image: "boxes" (K, 4) xyxy, "scores", "labels" (K,), and the same.
        num_classes: int, labels are 0 ... num_classes - 1.
        kind: what overlap is measured by: "bbox" or "segm" for the IoU of boxes or masks,
            "keypoints" for the similarity of keypoints (OKS). Numbers are named `NAMES[kind]`.
        sigmas: (J,) of keypoints, how far apart annotators place one, over the object's size.

    Returns:
        ({name: float}, AP (num_classes,), AP at IoU 0.5 (num_classes,)); -1 where there is no
        object to find, which is how COCO writes "not defined".
    """
    if not any(len(truth["labels"]) for truth in truths):
        undefined = np.full(num_classes, -1.0)
        return dict.fromkeys(NAMES[kind], -1.0), undefined, undefined
    curves = []
    for labels in _groups(truths, results, num_classes):
        evaluation = _evaluate(truths, results, labels, kind, sigmas)
        curves.append((evaluation.eval["precision"], evaluation.eval["recall"]))
    # COCO's means are over all that is defined, so that the classes can be joined afterwards
    precision, recall = zip(*curves, strict=True)
    precision = np.concatenate(precision, axis=2)
    evaluation.eval |= {"precision": precision, "recall": np.concatenate(recall, axis=1)}
    evaluation.summarize()
    # the means of precision stand first, those of recall have names for boxes only
    numbers = {name: float(v) for name, v in zip(NAMES[kind], evaluation.stats, strict=False)}
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


def _evaluate(truths: Sequence[dict], results: Sequence[dict], labels: range, kind: str, sigmas):
    """COCO's evaluator with the curves of these classes."""
    from faster_coco_eval import COCO, COCOeval_faster

    header = {
        "images": [{"id": index + 1, **_size(truth)} for index, truth in enumerate(truths)],
        "categories": [{"id": label + 1, "name": str(label)} for label in labels],
    }
    truth = COCO({**header, "annotations": list(_annotations(truths, labels, kind))})
    found = COCO({**header, "annotations": list(_annotations(results, labels, kind))})
    evaluation = COCOeval_faster(
        truth, found, iouType=kind, print_function=_silent, kpt_oks_sigmas=sigmas
    )
    # of keypoints the library would leave out classes without an object
    evaluation.params.catIds = [label + 1 for label in labels]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _size(truth: dict) -> dict:
    masks = truth.get("masks")
    height, width = masks[0]["size"] if masks else (0, 0)
    return {"height": height, "width": width}


def _annotations(images: Sequence[dict], labels: range, kind: str) -> Iterable[dict]:
    number = 0
    for index, image in enumerate(images):
        own = np.flatnonzero((image["labels"] >= labels.start) & (image["labels"] < labels.stop))
        boxes = image["boxes"][own]
        areas = image["areas"] if "areas" in image else _found_areas(image, kind)
        crowd = image["crowd"][own] if "crowd" in image else np.zeros(len(boxes), bool)
        scores = image["scores"][own] if "scores" in image else np.ones(len(boxes))
        categories = image["labels"][own] + 1
        boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        columns = [
            column.tolist() for column in (own, categories, boxes, areas[own], crowd, scores)
        ]
        for row, category, box, area, is_crowd, score in zip(*columns, strict=True):
            number += 1  # from 1: the library takes annotation 0 for "not matched"
            yield {
                "id": number,
                "image_id": index + 1,
                "category_id": category,
                "bbox": box,
                "area": area,
                "iscrowd": int(is_crowd),
                "score": score,
                **_compared(image, row, kind),
            }


def _compared(image: dict, row: int, kind: str) -> dict:
    """What an annotation holds beside its box."""
    if kind == "segm":
        return {"segmentation": image["masks"][row]}
    if kind == "keypoints":
        points = image["keypoints"][row]
        return {
            "keypoints": points.ravel().tolist(),
            "num_keypoints": int(np.count_nonzero(points[:, 2] > 0)),
        }
    return {}


def _found_areas(image: dict, kind: str) -> np.ndarray:
    """Areas (K,) of detections as COCO takes them: of the box, the mask, or around the points."""
    if kind == "segm":
        return run_lengths.areas(image["masks"])
    if kind == "keypoints" and len(image["keypoints"]):
        return np.prod(np.ptp(image["keypoints"][..., :2], axis=1), axis=-1)
    return np.prod(image["boxes"][:, 2:] - image["boxes"][:, :2], axis=1)


def _class_means(precision: np.ndarray) -> np.ndarray:
    """Mean over IoU and recall of (T, R, C); a class without objects is -1 throughout."""
    return precision.mean(axis=(0, 1))


def _silent(*_args, **_kwargs) -> None:
    """Take what the library would print."""
