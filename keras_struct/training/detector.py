"""A model as a function from images to detections."""

from typing import Any

import keras
import numpy as np


class Detector:
    """Compiles `model.with_decoder()` once; it follows the weights of the model.

    Args:
        model: a model with `with_decoder()`, `image_size`, `resize` and `class_names`.

    Call arguments:
        images: (B, S, S, 3) float32, RGB, 0..255. Another B compiles again.

    Returns:
        {"boxes", "scores", "labels", "num_detections"} as the decoder gives them.
    """

    def __init__(self, model: keras.Model) -> None:
        self.image_size = model.image_size
        self.resize = model.resize
        self.class_names = tuple(model.class_names)
        self._detect = _compiled(model.with_decoder())

    def __call__(self, images: np.ndarray) -> dict:
        return self._detect(images)


def check_class_names(model_names: Any, data_names: Any) -> None:
    """Raise a ValueError that shows both lists if a model was made for other classes."""
    model_names, data_names = list(model_names), list(data_names)
    if model_names != data_names:
        raise ValueError(
            "The model and the data must have the same classes. Received: model with "
            f"{len(model_names)} {model_names[:20]}, data with {len(data_names)} "
            f"{data_names[:20]}. Use the data the model was trained for."
        )


def _compiled(detector: keras.Model) -> Any:
    """`predict_on_batch` would hand the whole batch to every replica of a strategy."""
    if keras.backend.backend() != "tensorflow":
        return detector.predict_on_batch
    import tensorflow as tf

    return tf.function(lambda images: detector(images, training=False))
