"""From a network's results to the answer for one image: one function for each task."""

from collections.abc import Callable

import numpy as np

from .detections import Detections
from .preprocessing import boxes_to_original


def _detections(results, index, size, card):
    # valid by label, never by box value or score: padding has label -1
    keep = results["labels"][index] >= 0
    return Detections(
        boxes_to_original(results["boxes"][index][keep], size, card["input"]),
        results["scores"][index][keep],
        results["labels"][index][keep],
        tuple(card["class_names"]),
    )


# task -> (results it reads, how it reads them); label maps and poses come in here
TASKS: dict[str, tuple[tuple[str, ...], Callable]] = {
    "detection": (("boxes", "scores", "labels"), _detections),
}


def answer(results: dict[str, np.ndarray], index: int, size: tuple[int, int], card: dict):
    """The answer for image `index` of a batch whose original size was (height, width).

    Raises:
        ValueError: if this version has no answer for the card's task.
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
    names, decode = TASKS[task]
    missing = [name for name in names if name not in results]
    if missing:
        raise ValueError(
            f"`results` must hold {list(names)}. Missing: {missing}. Give what run() returned."
        )
    return decode(results, index, size, card)
