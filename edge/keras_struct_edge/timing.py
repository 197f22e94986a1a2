"""How long each of the three steps takes."""

import statistics
import time

import numpy as np

from .predictor import Predictor

STEPS = ("preprocess", "run", "postprocess")
WARM_UP = 3


def time_steps(predictor: Predictor, image: np.ndarray, runs: int) -> dict[str, float]:
    """Median milliseconds of every step, and of all together, over `runs` calls.

    Args:
        predictor: an opened artefact.
        image: (H, W, 3) uint8 RGB.
        runs: int, calls measured after three that only warm up.

    Returns:
        {"preprocess": ms, "run": ms, "postprocess": ms, "total": ms}
    """
    seconds = [_once(predictor, image) for _ in range(WARM_UP + runs)][WARM_UP:]
    columns = [*zip(*seconds, strict=True), [sum(row) for row in seconds]]
    names = (*STEPS, "total")
    return {
        name: statistics.median(column) * 1e3 for name, column in zip(names, columns, strict=True)
    }


def _once(predictor, image):
    start = time.perf_counter()
    batch = predictor.preprocess(image)
    prepared = time.perf_counter()
    results = predictor.run(batch)
    ran = time.perf_counter()
    predictor.postprocess(results, image.shape[:2])
    return prepared - start, ran - prepared, time.perf_counter() - ran
