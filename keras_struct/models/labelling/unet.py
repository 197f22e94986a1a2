"""U-Net: contract, expand, and copy across; as published and on a backbone."""

import keras
from keras import ops

from keras_struct import backbones
from keras_struct.layers.crop_to import cropped
from keras_struct.models.labelling.labelling_model import LabellingModel
from keras_struct.models.labelling.options import LabellingOptions
from keras_struct.models.labelling.unet_paths import (
    backbone_path,
    padded_size,
    plain_path,
    valid_margin,
    valid_size,
)

_PADDINGS = ("same", "valid")
_DEPTH, _PLAIN_WIDTH, _LIGHT_WIDTH = 4, 64, 32


@keras.saving.register_keras_serializable(package="keras_struct")
class UNet(LabellingModel):
    """Encoder, decoder, and a copy of every level of one into the other.

    `UNet("plain", num_classes=2, image_size=572, padding="valid")` is the published network, which
    labels the middle 388 x 388 pixels. Its loss takes the middle of the label maps, and decoder,
    evaluation and artefacts mirror the image at its borders, so that every pixel gets a label.

    On a backbone the decoder is light: logits come at stride 2.

    Args:
        backbone: "plain", or one of `keras_struct.backbones.names()`.
        num_classes: int, classes of a pixel.
        image_size: int or (height, width), pixels.
        weights: None, "imagenet" or a path: weights of the backbone.
        padding: "same" or "valid" (plain only).
        width: int, channels of the finest level of the decoder. None for 64 (plain) or 32.
        depth: int, halvings (plain only). None for 4.
        batch_norm: bool, batch norm in the plain network, which was published without.
        dropout: float in [0, 1): at the end of the contracting path (plain, published: 0.5), or of
            the whole features before the logits.
        freeze_batch_norm: bool, leave the batch norms of the backbone as they came.
        name: of the model.
        **labelling: further arguments of `LabellingOptions`: `class_names`, `resize`, `loss`,
            `class_weights`, `crf`.

    Call arguments:
        images: (B, H, W, 3) float32, RGB, 0..255.

    Returns:
        {"logits": (B, h, w, C) float32}.

    Raises:
        ValueError: for arguments that do not fit; with "valid" padding, for images whose sides do
            not halve evenly.

    Example:
        model = keras_struct.models.UNet("mobilenet_v2", num_classes=11, image_size=(180, 240))
        model.compile("adamw")
        model.fit(dataset.batches(8, image_size=(192, 256)), epochs=60)

    Source: Ronneberger et al. 2015, arXiv:1505.04597.
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        weights=None,
        padding="same",
        width=None,
        depth=None,
        batch_norm=False,
        dropout=0.0,
        freeze_batch_norm=False,
        name=None,
        **labelling,
    ):
        options = LabellingOptions(num_classes, image_size, **labelling)
        plain = backbone == "plain"
        if plain:
            depth, width = depth or _DEPTH, width or _PLAIN_WIDTH
            _check_plain(weights, padding, freeze_batch_norm)
        else:
            width = width or _LIGHT_WIDTH
            _check_on_backbone(backbone, padding, depth, batch_norm)

        # === Functional model ===
        images = keras.Input((None, None, 3), name="images")
        if plain:
            x = plain_path(images, width, depth, padding, batch_norm, dropout)
        else:
            body = backbones.create(backbone, None, weights, freeze_batch_norm=freeze_batch_norm)
            levels = body(images)
            x = backbone_path(levels, width)
            x = keras.layers.Dropout(dropout, name="dropout")(x)
        logits = keras.layers.Conv2D(num_classes, 1, name="classes")(x)
        stride = 2 ** (depth if plain else len(levels))
        super().__init__(images, logits, options, stride=stride, name=name)

        # === Config ===
        self.backbone_name = backbone
        self.padding = padding
        self.width = width
        self.depth = depth
        self.margin = 0 if padding == "same" else valid_margin(depth)
        self.batch_norm = bool(batch_norm)
        self.dropout = float(dropout)
        self.freeze_batch_norm = bool(freeze_batch_norm)

    def call(self, inputs, training=None, mask=None):
        if self.padding == "valid":
            _check_halves(inputs.shape[1:3], self.depth)
        return super().call(inputs, training=training, mask=mask)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """With "valid" padding, the loss of the middle of the label maps."""
        if self.padding == "valid":
            sides = y_pred["logits"].shape[1:3]
            maps = [name for name in ("segmentation_masks", "pixel_weights") if name in y]
            y = {**y, **{name: cropped(y[name], sides) for name in maps}}
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def whole_logits(self, images):
        """With "valid" padding, of the image mirrored at its borders."""
        if self.padding == "same":
            return super().whole_logits(images)
        sides = images.shape[1:3]
        needed = [padded_size(side, self.depth) - side for side in sides]
        around = [(self.margin, pixels - self.margin) for pixels in needed]
        if any(max(pair) >= side for pair, side in zip(around, sides, strict=True)):
            raise ValueError(
                "`images` must be larger than the border that is mirrored around them. Received: "
                f"height={sides[0]}, width={sides[1]}, border of {[max(x) for x in around]} "
                "pixels. Use larger images, less `depth`, or padding='same'."
            )
        mirrored = ops.pad(images, [(0, 0), *around, (0, 0)], mode="reflect")
        return self(mirrored)["logits"][:, : sides[0], : sides[1]]

    def get_config(self):
        """Arguments without `weights`: a saved model carries its own."""
        return {
            **super().get_config(),
            "backbone": self.backbone_name,
            "padding": self.padding,
            "width": self.width,
            "depth": self.depth,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
            "freeze_batch_norm": self.freeze_batch_norm,
        }


def _check_plain(weights, padding, freeze_batch_norm):
    if padding not in _PADDINGS:
        raise ValueError(f"`padding` must be one of {_PADDINGS}. Received: padding={padding!r}.")
    if weights is not None or freeze_batch_norm:
        raise ValueError(
            "`weights` and `freeze_batch_norm` must come with a backbone; 'plain' has none. "
            f"Received: weights={weights!r}, freeze_batch_norm={freeze_batch_norm!r}."
        )


def _check_on_backbone(backbone, padding, depth, batch_norm):
    if backbone not in backbones.names():
        raise ValueError(
            f"`backbone` must be 'plain' or one of {', '.join(backbones.names())}. "
            f"Received: backbone={backbone!r}."
        )
    if padding != "same" or depth is not None or batch_norm:
        raise ValueError(
            "`padding`, `depth` and `batch_norm` must be left alone on a backbone, which has its "
            f"own. Received: padding={padding!r}, depth={depth!r}, batch_norm={batch_norm!r}."
        )


def _check_halves(sides, depth):
    for side in sides:
        if side is not None and valid_size(side, depth) is None:
            fits = [n for n in range(side + 2 ** (depth + 1) * 3) if valid_size(n, depth)]
            nearest = sorted(fits, key=lambda size: abs(size - side))[:2]
            raise ValueError(
                "`images` must have sides that halve evenly with padding='valid'. Received: "
                f"height={sides[0]}, width={sides[1]}. Nearest to {side}: {sorted(nearest)}."
            )
