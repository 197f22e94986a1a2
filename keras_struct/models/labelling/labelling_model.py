"""What all models of dense labelling share: loss, decoder, card and configuration."""

import keras
from keras import ops

from keras_struct.layers.label_map_decoder import LabelMapDecoder, first_best
from keras_struct.losses.catalog import LOSSES
from keras_struct.losses.image_mean import ImageMean
from keras_struct.models.cards import card_of
from keras_struct.models.labelling.options import LabellingOptions
from keras_struct.ops.labels import IGNORED


class LabellingModel(keras.Model):
    """A network from images to class logits that trains on label maps with plain `fit`.

    Subclasses build the network and give it here. It takes images of any size, from the stride of
    its coarsest level on.

    Args:
        images: `keras.Input((None, None, 3))`, RGB, 0..255.
        logits: Keras tensor (B, h, w, C), at the image's size or coarser.
        options: see `LabellingOptions`.
        stride: int, pixels; the least side of an image.
        name: of the model.

    Call arguments:
        images: (B, H, W, 3) float32, RGB, 0..255.

    Returns:
        {"logits": (B, h, w, C) float32}, raw predictions.

    Raises:
        ValueError: for images smaller than `stride`.
    """

    task = "segmentation"
    options_type = LabellingOptions
    margin = 0  # pixels at each side of an image for which there are no logits

    def __init__(self, images, logits, options: LabellingOptions, stride: int = 1, name=None):
        logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
        super().__init__(inputs=images, outputs={"logits": logits}, name=name)
        self.labelling = options
        self.stride = stride
        self.num_classes = options.num_classes
        self.image_size = options.image_size
        self.class_names = options.class_names
        self.resize = options.resize
        self.crf = options.crf
        self._check_sides(options.image_size)
        if self.crf is not None:
            self.crf.trainable = False
            if not self.crf.built:
                self.crf.build((None, None, None, self.num_classes))
        self.losses_by_name = {
            part: LOSSES[part](class_weights=options.class_weights)
            for part in options.loss.split("+")
        }
        self.image_mean = ImageMean()
        self.pixel_accuracy = keras.metrics.Mean(name="pixel_accuracy")

    def call(self, inputs, training=None, mask=None):
        self._check_sides(inputs.shape[1:3])
        return super().call(inputs, training=training, mask=mask)

    def _check_sides(self, sides):
        if any(side is not None and side < self.stride for side in sides):
            raise ValueError(
                f"`images` must have sides of at least {self.stride} pixels, the stride of the "
                f"network. Received: height={sides[0]}, width={sides[1]}. Use larger images."
            )

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Sum the losses; label maps as `Dataset.batches(fields=("segmentation_masks",))` give."""
        labels = ops.cast(y["segmentation_masks"][..., 0], "int32")
        logits = at_size(y_pred["logits"], labels.shape[1:3])
        weights = y.get("pixel_weights")
        weights = None if weights is None else weights[..., 0]
        per_image = sum(loss.call(labels, logits, weights) for loss in self.losses_by_name.values())
        # It rides in the predictions to `compute_metrics`: state may change only there.
        y_pred["pixel_accuracy"] = _pixel_accuracy(labels, logits)
        total = self.image_mean(per_image, per_image, sample_weight=sample_weight)
        return total + ops.sum(self.losses) if self.losses else total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Loss and pixel accuracy for the progress bar."""
        self.pixel_accuracy.update_state(y_pred["pixel_accuracy"])
        return self.get_metrics_result()

    def whole_logits(self, images):
        """Logits (B, h, w, C) that cover images (B, H, W, 3) from border to border."""
        return self(images)["logits"]

    def with_crf(self, crf):
        """The same network and a CRF behind it, both with copies of the weights.

        Args:
            crf: a layer such as `DenseCRF`.

        Raises:
            ValueError: if the model has a CRF already.
        """
        if self.crf is not None:
            raise ValueError(
                f"`model` must have no CRF yet. Received: {self.name}, with {self.crf.name}."
            )
        config = {**self.get_config(), "crf": keras.saving.serialize_keras_object(crf)}
        copy = type(self).from_config(config)
        layers = [layer for layer in copy.layers if layer is not copy.crf]
        for own, copied in zip(self.layers, layers, strict=True):
            copied.set_weights(own.get_weights())
        if crf.built:
            copy.crf.set_weights(crf.get_weights())
        return copy

    def decoder(self, image_size=None, **options):
        """The layer that turns logits into a label map; see `LabelMapDecoder`."""
        options = {"crf": self.crf, **options}
        return LabelMapDecoder(image_size or self.image_size, name="decoder", **options)

    def with_decoder(self, image_size=None, **options):
        """Functional model from images to label maps.

        Args:
            image_size: int or (height, width) of the images; None for the model's own.
            **options: of `LabelMapDecoder`: `probabilities`, `crf`.

        Returns:
            `keras.Model`: images (B, H, W, 3) to {"segmentation": (B, H, W)[, "probabilities"]}.
        """
        decoder = self.decoder(image_size, **options)
        images = keras.Input((*decoder.image_size, 3), name="images")
        results = decoder(self.whole_logits(images), images)
        return keras.Model(images, results, name=f"{self.name}_decoded")

    def card(self):
        """What an artefact of this model says about itself."""
        return card_of(self, ["segmentation"])

    def get_config(self):
        """Arguments without `weights`: a saved model carries its own. Subclasses add theirs."""
        return {"name": self.name, **self.labelling.get_config()}

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        return cls(**config)


def at_size(logits, size):
    """Logits (B, h, w, C) brought to `size` (height, width), bilinear with half-pixel centres."""
    if tuple(logits.shape[1:3]) == tuple(size):
        return logits
    return ops.image.resize(logits, tuple(size), interpolation="bilinear")


def _pixel_accuracy(labels, logits):
    counted = ops.cast(ops.not_equal(labels, IGNORED), "float32")
    right = ops.cast(ops.equal(ops.cast(first_best(logits), "int32"), labels), "float32")
    return ops.divide_no_nan(ops.sum(right * counted), ops.sum(counted))
