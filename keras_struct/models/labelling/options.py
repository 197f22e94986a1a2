"""What every model of dense labelling is told, whatever its network."""

import dataclasses
from typing import Any

import keras

from keras_struct.losses.catalog import LOSSES
from keras_struct.ops.sizes import image_sides

_RESIZES = ("stretch", "letterbox")


@dataclasses.dataclass
class LabellingOptions:
    """Arguments shared by the models of dense labelling.

    Args:
        num_classes: int, classes of a pixel.
        image_size: int or (height, width), pixels of the images it is evaluated and exported at.
            Training may use crops of another size.
        class_names: `num_classes` strings, or None for "class_0", "class_1", ...
        resize: "stretch" or "letterbox", how images come to the input size; noted here for
            evaluation, export and the device.
        loss: names of `keras_struct.losses.LOSSES`, joined by "+": "cross_entropy",
            "cross_entropy+dice", ...
        class_weights: `num_classes` floats that weigh the pixels of a class in the loss, or None.
        crf: a layer such as `DenseCRF` that refines label maps after the network, or None. It is
            not trained; `CRFasRNN` trains both.
    """

    num_classes: int
    image_size: int | tuple[int, int]
    class_names: tuple[str, ...] | None = None
    resize: str = "stretch"
    loss: str = "cross_entropy"
    class_weights: tuple[float, ...] | None = None
    crf: Any = None

    def __post_init__(self):
        if type(self.num_classes) is not int or self.num_classes < 2:
            raise ValueError(
                "`num_classes` must be an integer of at least 2. "
                f"Received: num_classes={self.num_classes!r}."
            )
        self.image_size = image_sides(self.image_size)
        if self.class_names is None:
            self.class_names = [f"class_{index}" for index in range(self.num_classes)]
        self.class_names = tuple(str(name) for name in self.class_names)
        self._check_length("class_names", self.class_names)
        if self.class_weights is not None:
            self.class_weights = tuple(float(weight) for weight in self.class_weights)
            self._check_length("class_weights", self.class_weights)
        if self.resize not in _RESIZES:
            raise ValueError(
                f"`resize` must be one of {_RESIZES}. Received: resize={self.resize!r}."
            )
        unknown = [name for name in self.loss.split("+") if name not in LOSSES]
        if unknown:
            raise ValueError(
                f"`loss` must be made of {tuple(LOSSES)}, joined by '+'. "
                f"Received: loss={self.loss!r}."
            )
        if isinstance(self.crf, dict):
            self.crf = keras.saving.deserialize_keras_object(self.crf)

    def _check_length(self, name, values):
        if len(values) != self.num_classes:
            raise ValueError(
                f"`{name}` must hold num_classes={self.num_classes} values. "
                f"Received: {len(values)} values: {list(values)[:5]}."
            )

    def get_config(self) -> dict:
        """The arguments as plain data."""
        config = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("image_size", "class_names", "class_weights"):
            config[name] = config[name] and list(config[name])
        config["crf"] = self.crf and keras.saving.serialize_keras_object(self.crf)
        return config
