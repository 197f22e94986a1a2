"""DeepLab: dilated convolutions keep the feature map fine; the labels are enlarged bilinearly."""

import keras
from keras import ops

from keras_struct import backbones
from keras_struct.models.labelling.deeplab_heads import pooled_pyramid, summed_branches
from keras_struct.models.labelling.labelling_model import LabellingModel
from keras_struct.models.labelling.options import LabellingOptions
from keras_struct.ops.grids import nearest_cells

_HEADS = ("aspp", "large_fov")
_LOSS_RESOLUTIONS = ("image", "coarse")
_VGG16_CHANNELS = 1024
# Dilation in pixels of the image, so that both output strides see as far.
_LARGE_FOV, _ASPP_V2, _ASPP_V3 = (96,), (48, 96, 144, 192), (96, 192, 288)


@keras.saving.register_keras_serializable(package="keras_struct")
class DeepLab(LabellingModel):
    """Class scores on a feature map of stride 8 or 16, by convolutions that look far.

    `DeepLab("vgg16", 21, 513, head="large_fov")` is the first version, `DeepLab("vgg16", 21, 513)`
    the second, with parallel branches (ASPP) that are summed. On other backbones "aspp" is that of
    the third: branches and the mean over the image, concatenated, with batch norm. The fully
    connected CRF of versions 1 and 2 comes with `crf`.

    Args:
        backbone: one of `keras_struct.backbones.names()`.
        num_classes: int, classes of a pixel.
        image_size: int or (height, width), pixels. 16 n + 1 puts the cells of MobileNets and ResNet
            on whole pixels from border to border.
        weights: None, "imagenet" or a path: weights of the backbone. On "vgg16", all branches
            start from the same fc6 and fc7: those of its dense layers, where the file has them.
        head: "aspp" or "large_fov" (vgg16 only).
        output_stride: 8 or 16. None for 8 on "vgg16" and 16 on others, as published.
        rates: dilations of the head's 3x3 convolutions, in cells of the feature map. None for the
            published: large_fov (12), vgg16 (6, 12, 18, 24) at stride 8; resnet50 (6, 12, 18) at
            stride 16; none on MobileNets.
        channels: int, of the head's branches. None for 1024 on "vgg16" and 256 on others.
        dropout: float in [0, 1). None for 0.5 on "vgg16" and 0.1 on others.
        loss_resolution: "image", or "coarse" as versions 1 and 2: at the cells of the feature map,
            with the label at the middle of each.
        freeze_batch_norm: bool, leave the batch norms of the backbone as they came.
        name: of the model.
        **labelling: further arguments of `LabellingOptions`: `class_names`, `resize`, `loss`,
            `class_weights`, `crf`.

    Call arguments:
        images: (B, H, W, 3) float32, RGB, 0..255.

    Returns:
        {"logits": (B, H / output_stride, W / output_stride, C) float32}, sides rounded up.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        model = keras_struct.models.DeepLab("mobilenet_v2", num_classes=21, image_size=513)
        model.compile("adamw")
        model.fit(dataset.batches(8, image_size=513), epochs=50)

    Source: Chen et al. 2015, arXiv:1412.7062; 2017, arXiv:1606.00915; 2017, arXiv:1706.05587.
    Deviation: VGG16 pools 2x2 where the authors' files pool 3x3 at stride 2.
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        weights=None,
        head="aspp",
        output_stride=None,
        rates=None,
        channels=None,
        dropout=None,
        loss_resolution="image",
        freeze_batch_norm=False,
        name=None,
        **labelling,
    ):
        options = LabellingOptions(num_classes, image_size, **labelling)
        vgg16 = backbone == "vgg16"
        output_stride = output_stride or (8 if vgg16 else 16)
        if rates is None:
            rates = _published_rates(backbone, head, output_stride)
        if dropout is None:
            dropout = 0.5 if vgg16 else 0.1
        channels = channels or (_VGG16_CHANNELS if vgg16 else 256)
        _check(backbone, head, rates, loss_resolution)

        # === Functional model ===
        body = backbones.create(
            backbone,
            weights=weights,
            output_stride=output_stride,
            freeze_batch_norm=freeze_batch_norm,
            widen=False,
        )
        images = keras.Input((None, None, 3), name="images")
        if vgg16:
            trunk = keras.Model(body.input, body.get_layer("pool5").output, name="vgg16")
            starts = {fc: body.get_layer(fc).get_weights() for fc in ("fc6", "fc7")}
            starts = starts if channels == _VGG16_CHANNELS else None
            logits = summed_branches(trunk(images), num_classes, rates, channels, dropout, starts)
        else:
            features = body(images)["P5"]
            logits = pooled_pyramid(features, num_classes, rates, channels, dropout)
        super().__init__(images, logits, options, stride=output_stride, name=name)

        # === Config ===
        self.backbone_name = backbone
        self.head = head
        self.output_stride = output_stride
        self.rates = tuple(int(rate) for rate in rates)
        self.channels = channels
        self.dropout = float(dropout)
        self.loss_resolution = loss_resolution
        self.freeze_batch_norm = bool(freeze_batch_norm)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """With `loss_resolution="coarse"`, the loss of the cells' middles."""
        if self.loss_resolution == "coarse":
            sides = y_pred["logits"].shape[1:3]
            maps = [name for name in ("segmentation_masks", "pixel_weights") if name in y]
            y = {**y, **{name: _at_middles(y[name], sides) for name in maps}}
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def get_config(self):
        """Arguments without `weights`: a saved model carries its own."""
        return {
            **super().get_config(),
            "backbone": self.backbone_name,
            "head": self.head,
            "output_stride": self.output_stride,
            "rates": list(self.rates),
            "channels": self.channels,
            "dropout": self.dropout,
            "loss_resolution": self.loss_resolution,
            "freeze_batch_norm": self.freeze_batch_norm,
        }


def _published_rates(backbone, head, output_stride):
    pixels = ()
    if backbone == "vgg16":
        pixels = _LARGE_FOV if head == "large_fov" else _ASPP_V2
    elif backbone.startswith("resnet"):
        pixels = _ASPP_V3
    return tuple(rate // output_stride for rate in pixels)


def _at_middles(maps, sides):
    """(B, H, W, 1) at the middle of each of h x w cells: (B, h, w, 1)."""
    for axis, (size, cells) in enumerate(zip(maps.shape[1:3], sides, strict=True), 1):
        maps = ops.take(maps, nearest_cells(size, cells), axis=axis)
    return maps


def _check(backbone, head, rates, loss_resolution):
    backbones.backbone.check_name(backbone)
    if head not in _HEADS or (head == "large_fov" and backbone != "vgg16"):
        raise ValueError(
            f"`head` must be one of {_HEADS}, 'large_fov' with backbone='vgg16' only. "
            f"Received: head={head!r}, backbone={backbone!r}."
        )
    whole = all(type(rate) is int and rate > 0 for rate in rates)
    if not whole or (backbone == "vgg16" and not rates) or (head == "large_fov" and len(rates) > 1):
        raise ValueError(
            "`rates` must be positive integers: one for 'large_fov', one or more for 'vgg16', any "
            f"number for others. Received: rates={rates!r}, head={head!r}, backbone={backbone!r}."
        )
    if loss_resolution not in _LOSS_RESOLUTIONS:
        raise ValueError(
            f"`loss_resolution` must be one of {_LOSS_RESOLUTIONS}. "
            f"Received: loss_resolution={loss_resolution!r}."
        )
