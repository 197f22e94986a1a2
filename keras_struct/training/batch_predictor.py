"""A model as a function from a batch of images to results."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_struct.training.scales import averaged_over_scales


class BatchPredictor:
    """Compiles `model.with_decoder()` once; it follows the weights of the model.

    Args:
        model: a model with `with_decoder()`, `card()`, `image_size`, `resize` and `class_names`.
        scales: sizes of the images over `image_size` to average over, for label maps; None for
            the model as it is. See `averaged_over_scales`.
        flip: bool, average over mirrored images as well.

    Attributes:
        task: of the model, a name of `keras_struct.training.tasks.TASKS`.
        fields: of a data set that the model is trained on, where it says so; "proposals" among them
            come with the images.
        card: of the model; its "results" say whether there are masks or keypoints beside boxes.

    Call arguments:
        images: (B, H, W, 3) float32, RGB, 0..255. Another B compiles again.

    Returns:
        The dict of results that the decoder gives.

    Raises:
        ValueError: if `scales` or `flip` do not suit the model.
    """

    def __init__(
        self, model: keras.Model, scales: Sequence[float] | None = None, flip: bool = False
    ) -> None:
        self.card = model.card()
        self.task = self.card["task"]
        self.image_size = model.image_size
        self.resize = model.resize
        self.class_names = tuple(model.class_names)
        self.fields = tuple(getattr(model, "fields", ()))
        if scales is None and not flip:
            decoded = model.with_decoder()
        else:
            decoded = averaged_over_scales(model, (1.0,) if scales is None else scales, flip)
        self._predict = compiled(decoded)

    def __call__(self, images: np.ndarray) -> dict:
        return self._predict(images)


def check_class_names(model_names: Any, data_names: Any) -> None:
    """Raise a ValueError that shows both lists if a model was made for other classes."""
    model_names, data_names = list(model_names), list(data_names)
    if model_names != data_names:
        raise ValueError(
            "The model and the data must have the same classes. Received: model with "
            f"{len(model_names)} {model_names[:20]}, data with {len(data_names)} "
            f"{data_names[:20]}. Use the data the model was trained for."
        )


def compiled(decoded: keras.Model) -> Any:
    """The model as a compiled function of a batch; it follows the weights.

    `predict_on_batch` would hand the whole batch to every replica of a strategy.
    """
    if keras.backend.backend() != "tensorflow":
        return decoded.predict_on_batch
    import tensorflow as tf

    return tf.function(lambda images: decoded(images, training=False))
