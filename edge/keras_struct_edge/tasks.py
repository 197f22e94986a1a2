"""From a network's results to the answer for one image: one function for each task."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .detections import Detections
from .masks import paste_masks
from .preprocessing import (
    boxes_to_original,
    labels_to_original,
    points_to_original,
    scores_to_original,
)
from .segmentation import Segmentation


def _detections(results, index, size, card):
    # valid by label, never by box value or score: padding has label -1
    keep = results["labels"][index] >= 0
    boxes, spec, details = results["boxes"][index][keep], card["input"], {}
    if "masks" in card["results"]:
        whole = boxes_to_original(boxes, size, spec, clip=False)
        details["masks"] = paste_masks(results["masks"][index][keep], whole, size)
        details["masks"].setflags(write=False)
    if "keypoints" in card["results"]:
        points = results["keypoints"][index][keep].astype(np.float32)
        places = points_to_original(points[..., :2], size, spec)
        details["keypoints"] = np.concatenate((places, points[..., 2:]), axis=-1)
        details["keypoint_names"] = tuple(card.get("keypoint_names") or ())
        details["skeleton"] = tuple(card.get("skeleton") or ())
    return Detections(
        boxes_to_original(boxes, size, spec),
        results["scores"][index][keep],
        results["labels"][index][keep],
        tuple(card["class_names"]),
        **details,
    )


def _segmentation(results, index, size, card):
    names = tuple(card["class_names"])
    if "probabilities" not in card["results"]:
        labels = labels_to_original(results["segmentation"][index], size, card["input"])
        return Segmentation(labels, names)
    # blended, they draw smoother borders than labels can
    found = scores_to_original(results["probabilities"][index], size, card["input"])
    return Segmentation(found.argmax(axis=-1), names, found)


class Task(NamedTuple):
    """How the answer for one image is made.

    Args:
        results: names of the results it needs.
        optional: names of results that are used where the card has them.
        scores: name of the result that says how sure the model is.
        min_score: least score that is shown, unless the user says otherwise.
        answer: class of the answer.
        decode: function of (results, index, (height, width), card) that gives it.
    """

    results: tuple[str, ...]
    optional: tuple[str, ...]
    scores: str
    min_score: float
    answer: type
    decode: Callable


# poses come in here
TASKS = {
    "detection": Task(
        ("boxes", "scores", "labels"),
        ("masks", "keypoints"),
        "scores",
        0.3,
        Detections,
        _detections,
    ),
    "segmentation": Task(
        ("segmentation",), ("probabilities",), "probabilities", 0.0, Segmentation, _segmentation
    ),
}


def task_of(card: dict) -> Task:
    """The entry of the card's task.

    Raises:
        ValueError: if this version has no answer for it.
    """
    task = card["task"]
    if task == "raw":
        raise ValueError(
            "This artefact holds the network only (task 'raw'): its outputs are not decoded. "
            "Use predictor.run(predictor.preprocess(image)) for them, or export the model with "
            "decoder=True."
        )
    if task not in TASKS:
        raise ValueError(
            f"`task` must be one of {sorted(TASKS)}. Received: task={task!r}. "
            "Update with `pip install --upgrade keras-struct-edge`, or use predictor.run(batch)."
        )
    return TASKS[task]


def answer(results: dict[str, np.ndarray], index: int, size: tuple[int, int], card: dict):
    """The answer for image `index` of a batch whose original size was (height, width).

    Raises:
        ValueError: if this version has no answer for the card's task, or a result is missing.
    """
    task = task_of(card)
    wanted = {*task.results, *(set(task.optional) & set(card["results"]))}
    if not wanted <= set(results):
        raise ValueError(
            f"`results` must hold {sorted(wanted)}. Missing: {sorted(wanted - set(results))}. "
            "Give what run() returned."
        )
    return task.decode(results, index, size, card)
