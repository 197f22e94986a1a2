"""What a training on label maps takes from its data and flags."""

from typing import Any

import numpy as np
from absl import flags

_POWERS = {"inverse": 1.0, "sqrt": 0.5}


def class_weights(options: Any, train: Any) -> list[float] | None:
    """What `LabellingOptions(class_weights=...)` takes for --class_weights.

    Raises:
        absl.flags.Error: if the flag is neither a name nor one positive number for each class.
    """
    texts, num_classes = options.class_weights, len(train.class_names)
    if texts == ["none"]:
        return None
    if texts[0] in _POWERS and len(texts) == 1:
        from keras_struct.data import class_frequencies

        return weights_from_pixels(class_frequencies(train), _POWERS[texts[0]])
    try:
        weights = [float(text) for text in texts]
    except ValueError:
        weights = []
    if len(weights) != num_classes or min(weights) < 0:
        raise flags.Error(
            f"`--class_weights` must be none, {', '.join(_POWERS)}, or {num_classes} numbers of at "
            f"least 0, one for each class. Received: --class_weights={','.join(texts)}."
        )
    return weights


def weights_from_pixels(counts: np.ndarray, power: float) -> list[float]:
    """(1 / share of the pixels)^power of each class, 1 on average; 1 where there is no pixel."""
    counts = np.asarray(counts, np.float64)
    weights = np.ones(len(counts))
    seen = counts > 0
    weights[seen] = (counts.sum() / counts[seen]) ** power
    weights[seen] /= weights[seen].mean()
    return [round(float(weight), 6) for weight in weights]
