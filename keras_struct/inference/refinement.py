"""Refine label maps with a fully connected CRF, on the CPU and without a network."""

import importlib.util
import math
from collections.abc import Callable

import numpy as np

ENGINES = ("numba", "numpy")


def refine(
    logits: np.ndarray,
    image: np.ndarray,
    *,
    spatial: tuple[float, float] = (3.0, 3.0),
    bilateral: tuple[float, float, float] = (80.0, 13.0, 10.0),
    iterations: int = 10,
    engine: str | None = None,
) -> np.ndarray:
    """Let pixels that are near, or near and of like colour, agree on their labels.

    Mean field on E(x) = -sum_i logits_i(x_i) + sum_ij [x_i != x_j] k(i, j), where k is the sum of
    a Gaussian of the place and one of place and colour, each normalised as D^-1/2 K D^-1/2 with
    D = K 1. The Gaussians are approximated: the largest part of the error is the bilateral one's,
    and is below that of the published implementation (benchmarks/dense_crf.py).

    Args:
        logits: (H, W, C) float, unary potentials in log space, higher is better: a network's
            output before the softmax, log-probabilities, or `label_logits` of a label map.
        image: (H, W, 3) uint8 RGB.
        spatial: (deviation, weight): standard deviation in pixels; 3, 3 is the published choice.
        bilateral: (deviation, colour deviation, weight): in pixels and in colour values of 0 to
            255. The published 80, 13, 10 are for images of 500 pixels: scale the first with yours.
        iterations: steps of mean field, 0 for the softmax of `logits`.
        engine: "numba" or "numpy", which give the same numbers; None for numba where it is
            installed (`pip install keras-struct[crf]`). Numba is 10 to 20 times faster, on all
            cores; compiling takes some seconds, at the first call on a machine.

    Returns:
        (H, W, C) float32 probabilities; their argmax over C is the refined label map.

    Raises:
        ValueError: if the sizes differ, `logits` are not finite, a deviation is not positive, or
            an argument is of another kind.
        ImportError: if `engine` is "numba" and it is not installed.

    Example:
        >>> import numpy as np
        >>> from keras_struct.inference import label_logits, refine
        >>> image = np.zeros((8, 8, 3), "uint8")
        >>> image[:, 4:] = 255
        >>> labels = np.zeros((8, 8), int)
        >>> labels[:, 3:] = 1
        >>> refined = refine(label_logits(labels, 2), image, bilateral=(8, 13, 10)).argmax(-1)
        >>> refined[0].tolist()
        [0, 0, 0, 0, 1, 1, 1, 1]

    Source: Kraehenbuehl and Koltun 2011, arXiv:1210.5644; normalisation and defaults of
    Kraehenbuehl and Koltun 2013.
    """
    logits, image = _check_arrays(logits, image)
    spatial = _check_kernel(spatial, 2, "spatial")
    bilateral = _check_kernel(bilateral, 3, "bilateral")
    if not isinstance(iterations, int | np.integer) or iterations < 0:
        raise ValueError(
            f"`iterations` must be a whole number, at least 0. Received: iterations={iterations!r}."
        )
    return _mean_field(engine)(logits, image, spatial, bilateral, int(iterations))


def label_logits(labels: np.ndarray, num_labels: int, gt_prob: float = 0.7) -> np.ndarray:
    """Potentials of a label map that is mostly right.

    Args:
        labels: (H, W) int, 0 .. num_labels - 1, or -1 where the label is unknown.
        num_labels: C, at least 1.
        gt_prob: probability in (0, 1) that a label of the map is right; the others share the rest.

    Returns:
        (H, W, C) float32 log-probabilities; the same for all labels where it is unknown.

    Raises:
        ValueError: if a label or an argument is out of range.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "`labels` must be a (H, W) array of whole numbers. "
            f"Received: shape={labels.shape}, dtype={labels.dtype}."
        )
    if not isinstance(num_labels, int | np.integer) or num_labels < 1:
        raise ValueError(f"`num_labels` must be at least 1. Received: num_labels={num_labels!r}.")
    if labels.size and not -1 <= labels.min() <= labels.max() < num_labels:
        raise ValueError(
            f"`labels` must be -1 (unknown) to num_labels - 1 = {num_labels - 1}. "
            f"Received: values from {labels.min()} to {labels.max()}."
        )
    if not 0 < gt_prob < 1:
        raise ValueError(f"`gt_prob` must be between 0 and 1. Received: gt_prob={gt_prob!r}.")
    others = (1 - gt_prob) / max(1, num_labels - 1)
    table = np.full((num_labels + 1, num_labels), math.log(others), "float32")
    np.fill_diagonal(table, math.log(gt_prob))
    table[-1] = -math.log(num_labels)
    return table[labels]


def _check_arrays(logits, image):
    logits, image = np.asarray(logits), np.asarray(image)
    if logits.ndim != 3 or 0 in logits.shape or not np.issubdtype(logits.dtype, np.floating):
        raise ValueError(
            "`logits` must be a (H, W, C) array of floats with at least one pixel and one label. "
            f"Received: shape={logits.shape}, dtype={logits.dtype}."
        )
    if image.dtype != np.uint8 or image.shape != (*logits.shape[:2], 3):
        raise ValueError(
            f"`image` must be uint8 RGB of the size of `logits`, {(*logits.shape[:2], 3)}. "
            f"Received: shape={image.shape}, dtype={image.dtype}. Resize one to the other."
        )
    with np.errstate(over="ignore"):
        logits = np.ascontiguousarray(logits, "float32")
    # a NaN is both the smallest and the largest value, and this needs no memory
    if not np.isfinite([logits.min(), logits.max()]).all():
        count = int((~np.isfinite(logits)).sum())
        raise ValueError(
            f"`logits` must be finite. Received: {count} of {logits.size} values are not. "
            "Clip probabilities away from 0 before you take their logarithm."
        )
    return logits, np.ascontiguousarray(image)


def _check_kernel(values, count, name):
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    sound = len(numbers) == count and all(map(math.isfinite, numbers)) and min(numbers[:-1]) > 0
    if not sound:
        parts = "deviation, weight" if count == 2 else "deviation, colour deviation, weight"
        raise ValueError(
            f"`{name}` must be ({parts}), finite numbers with deviations above 0. "
            f"Received: {name}={values!r}."
        )
    return numbers


def _mean_field(engine: str | None) -> Callable[..., np.ndarray]:
    if engine not in (None, *ENGINES):
        raise ValueError(f"`engine` must be None or one of {ENGINES}. Received: engine={engine!r}.")
    has_numba = importlib.util.find_spec("numba") is not None
    if engine == "numba" and not has_numba:
        raise ImportError(
            "`engine` 'numba' needs Numba. Install it with `pip install keras-struct[crf]`."
        )
    if engine == "numpy" or not has_numba:
        from keras_struct.inference.plain_mean_field import mean_field
    else:
        from keras_struct.inference.fused_mean_field import mean_field
    return mean_field
