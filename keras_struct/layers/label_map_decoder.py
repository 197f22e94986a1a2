"""Class logits of a coarse grid to a label for every pixel."""

import keras
from keras import ops

from keras_struct.ops.sizes import image_sides


@keras.saving.register_keras_serializable(package="keras_struct")
class LabelMapDecoder(keras.layers.Layer):
    """Bring logits to the size of the image and take the best class of every pixel.

    Computes in float32. Among equal logits the first class wins.

    Args:
        image_size: int or (height, width), pixels of the network input.
        probabilities: bool, give the class probabilities as well.
        crf: a layer called as crf(logits, images), such as `DenseCRF`, that refines the logits at
            full size; or None.

    Call arguments:
        logits: (B, h, w, C) float.
        images: (B, H, W, 3) float32, 0..255; looked at with a crf only.

    Returns:
        {"segmentation": (B, H, W) int32} and, if asked for, {"probabilities": (B, H, W, C)
        float32}.
    """

    def __init__(self, image_size, probabilities=False, crf=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.image_size = image_sides(image_size)
        self.probabilities = bool(probabilities)
        self.crf = crf

    def build(self, logits_shape, images_shape=None):
        if self.crf is not None and not self.crf.built:
            self.crf.build((logits_shape[0], *self.image_size, logits_shape[-1]))

    def call(self, logits, images=None):
        if tuple(logits.shape[1:3]) != self.image_size:
            logits = ops.image.resize(logits, self.image_size, interpolation="bilinear")
        if self.crf is not None:
            logits = self.crf(logits, images)
        result = {"segmentation": first_best(logits)}
        if self.probabilities:
            result["probabilities"] = ops.softmax(logits, axis=-1)
        return result

    def compute_output_spec(self, logits, images=None):
        shape = (logits.shape[0], *self.image_size)
        spec = {"segmentation": keras.KerasTensor(shape, "int32")}
        if self.probabilities:
            spec["probabilities"] = keras.KerasTensor((*shape, logits.shape[-1]), "float32")
        return spec

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": list(self.image_size),
            "probabilities": self.probabilities,
            "crf": self.crf and keras.saving.serialize_keras_object(self.crf),
        }

    @classmethod
    def from_config(cls, config):
        crf = config.pop("crf", None)
        return cls(crf=crf and keras.saving.deserialize_keras_object(crf), **config)


def first_best(logits):
    """Index of the greatest entry of the last axis, the first of equals.

    `ops.argmax` looks at sign bits on TensorFlow, for which the device runtimes have no operator;
    the export to LiteRT makes ARG_MAX of this.
    """
    return ops.squeeze(ops.top_k(logits, 1)[1], axis=-1)


def logits_of(probabilities):
    """Logits whose softmax is `probabilities`, such as an average of several; any shape."""
    return ops.log(ops.maximum(probabilities, keras.config.epsilon()))
