"""CRF as RNN: a labelling network and a fully connected CRF, trained as one."""

import dataclasses

import keras

from keras_struct.layers.dense_crf import DenseCRF
from keras_struct.layers.resize_to import ResizeTo
from keras_struct.models.labelling.labelling_model import LabellingModel

# Those the published network starts from, for images of 500 pixels.
PUBLISHED = {
    "spatial_sxy": 3.0,
    "spatial_weight": 3.0,
    "bilateral_sxy": 160.0,
    "bilateral_srgb": 3.0,
    "bilateral_weight": 5.0,
    "per_class": True,
    "compatibility": "full",
}


@keras.saving.register_keras_serializable(package="keras_struct")
class CRFasRNN(LabellingModel):
    """Any labelling model with a fully connected CRF on its logits; `fit` trains both.

    The CRF works at the size of the image and runs 5 iterations in training, 10 otherwise, unless
    it is told so itself. Give it a higher learning rate than the network by the paths of its
    variables, which contain its name (see `keras_struct.training.rate_factors`).

    Args:
        model: a `LabellingModel`, trained or not, without a crf of its own. Its weights are shared.
        crf: a `DenseCRF`, or None for the published parameters: a weight for each class and
            kernel, any two labels compatible as learned. They are for images of 500 pixels.
        name: of the model; None for that of `model` and "_crf".
        **labelling: arguments of `LabellingOptions` that differ from the model's: `image_size`,
            `class_names`, `resize`, `loss`, `class_weights`.

    Call arguments:
        images: (B, H, W, 3) float32, RGB, 0..255.

    Returns:
        {"logits": (B, H, W, C) float32}, after the CRF.

    Raises:
        TypeError: if `model` is no `LabellingModel`.
        ValueError: if it has a crf already, or `labelling` changes its classes.

    Example:
        fcn = keras_struct.models.FCN("mobilenet_v2", num_classes=11, image_size=(180, 240))
        model = CRFasRNN(fcn, DenseCRF(bilateral_sxy=40, per_class=True, name="crf"))
        model.compile(rate_factors(keras.optimizers.AdamW(1e-4), {"^crf/": 100.0}))
        model.fit(dataset.batches(4, image_size=(180, 240)), epochs=5)

    Source: Zheng et al. 2015, arXiv:1502.03240.
    """

    def __init__(self, model, crf=None, *, name=None, **labelling):
        _check_model(model, labelling)
        options = dataclasses.replace(model.labelling, **labelling)
        crf = DenseCRF(**PUBLISHED, name="crf") if crf is None else crf

        # === Functional model ===
        images = keras.Input((None, None, 3), name="images")
        resize = ResizeTo(name="image_size", dtype="float32")
        logits = resize(model(images)["logits"], images)
        name = name or f"{model.name}_crf"
        super().__init__(images, crf(logits, images), options, stride=model.stride, name=name)

        # === Config ===
        self.model = model
        self.image_sized = resize
        self.crf = crf

    def call(self, inputs, training=None, mask=None):
        self._check_sides(inputs.shape[1:3])
        logits = self.image_sized(self.whole_logits(inputs), inputs)
        return {"logits": self.crf(logits, inputs)}

    def whole_logits(self, images):
        """Those of the model before the CRF, which is part of the decoder."""
        return self.model.whole_logits(images)

    def get_config(self):
        """Model and CRF with their own configurations, and what both share."""
        config = super().get_config()
        del config["num_classes"]
        return {
            **config,
            "model": keras.saving.serialize_keras_object(self.model),
            "crf": keras.saving.serialize_keras_object(self.crf),
        }

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name]) for name in ("model", "crf")
        }
        return cls(**{**config, **parts})


def _check_model(model, labelling):
    if not isinstance(model, LabellingModel):
        raise TypeError(
            "`model` must be a labelling model such as FCN, UNet or DeepLab. "
            f"Received: model={type(model).__name__}."
        )
    if model.crf is not None:
        raise ValueError(
            "`model` must have no crf of its own. Received: a model with "
            f"crf={type(model.crf).__name__}. Give that as `crf` here."
        )
    fixed = sorted({"num_classes", "crf"} & set(labelling))
    if fixed:
        raise ValueError(
            f"`labelling` must leave {fixed} to `model` and `crf`. Received: {sorted(labelling)}."
        )
