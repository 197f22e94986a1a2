"""`keras.applications`, wrapped once: pixels 0..255 in, a dict of levels out."""

from dataclasses import dataclass, field

import keras

from keras_struct.backbones.pixels import scale_pixels
from keras_struct.backbones.strides import OUTPUT_STRIDES, with_output_stride
from keras_struct.backbones.vgg16 import reduced_vgg16
from keras_struct.ops.sizes import image_sides


@dataclass(frozen=True)
class _Source:
    """A network of `keras.applications`, with the layers that *leave* its levels.

    A level is the last feature map before the stride doubles: the input of the named layer, one
    for each of P1 to P4. The deepest level, P5, is the network's output, or that of `last_block`
    where a 1x1 convolution widens it for the classifier.
    """

    application: str
    leaving: tuple
    scaling: str
    last_block: str | None = None
    options: dict = field(default_factory=dict)


def _mobilenet_v1(**options):
    leaving = tuple(f"conv_dw_{i}" for i in (2, 4, 6, 12))
    return _Source("MobileNet", leaving, "unit", options=options)


def _mobilenet_v2(**options):
    leaving = tuple(f"block_{i}_depthwise" for i in (1, 3, 6, 13))
    return _Source("MobileNetV2", leaving, "unit", "block_16_project_BN", options)


def _mobilenet_v3_small():
    leaving = tuple(f"expanded_conv{i}_depthwise" for i in ("", "_1", "_3", "_8"))
    return _Source("MobileNetV3Small", leaving, "none", "expanded_conv_10_add")  # scales itself


def _resnet50():
    leaving = ("pool1_pad", *(f"conv{stage}_block1_1_conv" for stage in (3, 4, 5)))
    return _Source("ResNet50", leaving, "caffe")


_SOURCES = {
    "mobilenet_v1": _mobilenet_v1(),
    "mobilenet_v1_025": _mobilenet_v1(alpha=0.25),
    "mobilenet_v1_050": _mobilenet_v1(alpha=0.5),
    "mobilenet_v2": _mobilenet_v2(),
    "mobilenet_v2_035": _mobilenet_v2(alpha=0.35),
    "mobilenet_v2_050": _mobilenet_v2(alpha=0.5),
    "mobilenet_v3_small": _mobilenet_v3_small(),
    "resnet50": _resnet50(),
}


def names() -> list[str]:
    """Names that `create` takes."""
    return sorted([*_SOURCES, "vgg16"])


def check_name(name: str) -> None:
    """Raise a ValueError that lists the backbones if `name` is none of them."""
    if name not in names():
        raise ValueError(
            f"`backbone` must be one of {', '.join(names())}. Received: backbone={name!r}."
        )


def create(
    name,
    image_size=None,
    weights=None,
    batch_norm_momentum=0.97,
    output_stride=None,
    freeze_batch_norm=False,
    widen=True,
):
    """Build a backbone.

    Sizes that are no multiple of the stride round up.

    Args:
        name: one of `names()`. "vgg16" is the form with dilated fc6 and fc7 (SSD, DeepLab).
        image_size: int (square) or (height, width), pixels of the input image; None for any.
        weights: None (random), "imagenet" (downloaded by Keras), or the path of a weights file
            of the same `keras.applications` network without its top (VGG16: with or without).
        batch_norm_momentum: float in (0, 1). Keras' 0.99 and 0.999 suit ImageNet's million steps;
            fine-tuning of a few thousand wants statistics that follow.
        output_stride: 8 or 16; the levels beyond this stride keep their size, with dilated
            convolutions of the same weights. None for the network's own strides.
        freeze_batch_norm: bool, keep statistics, scales and offsets of the batch norms as they
            are. Trains better and faster in short trainings from good weights.
        widen: bool, let P5 of MobileNetV2 and V3 come from behind the 1x1 convolution that widens
            it for the classifier, or else from their last block. The others have none.

    Returns:
        A `keras.Model`: images (B, H, W, 3) float32 in 0..255 to {"P1": ..., "P5": ...}, each
        (B, h, w, C) at stride 2 to the number, or `output_stride` (vgg16: up to "P4").

    Raises:
        ValueError: for an unknown name, a size or stride that is none, or weights that do not fit.
    """
    check_name(name)
    if output_stride not in (None, *OUTPUT_STRIDES):
        raise ValueError(
            f"`output_stride` must be None or one of {OUTPUT_STRIDES}. "
            f"Received: output_stride={output_stride!r}."
        )
    sides = (None, None) if image_size is None else image_sides(image_size)
    images = keras.Input((*sides, 3), name="images")
    if name == "vgg16":
        if freeze_batch_norm:
            raise ValueError(
                "`freeze_batch_norm` must be False for vgg16, which has no batch norm."
            )
        levels = reduced_vgg16(images, weights, output_stride or 16)
        return keras.Model(images, levels, name=name)
    inside, levels = _levels(name, weights, batch_norm_momentum, output_stride, freeze_batch_norm)
    if not widen and _SOURCES[name].last_block:
        levels["P5"] = inside.get_layer(_SOURCES[name].last_block).output
    features = keras.Model(inside.input, levels, name="features")
    scaled = scale_pixels(images, _SOURCES[name].scaling)
    return keras.Model(images, features(scaled), name=name)


def create_in_two(name, image_size=None, weights=None, freeze_batch_norm=False):
    """Build a backbone cut in two behind P4, its last stage to be run on regions (ResNet's "C4").

    Args:
        name: one of `names()`, but "vgg16".
        image_size: as for `create`.
        weights: as for `create`.
        freeze_batch_norm: as for `create`.

    Returns:
        Two `keras.Model`: images (B, H, W, 3) float32 in 0..255 to {"P4": (B, h, w, C)}, and
        (N, h, w, C) to (N, h / 2, w / 2, D).

    Raises:
        ValueError: for a name that is none of them, or weights that do not fit.

    Source: He et al. 2016, arXiv:1512.03385, appendix A.
    """
    check_name(name)
    if name == "vgg16":
        raise ValueError(
            "`name` must be a backbone with a stage behind P4. Received: name='vgg16', which has "
            "dense layers there."
        )
    sides = (None, None) if image_size is None else image_sides(image_size)
    images = keras.Input((*sides, 3), name="images")
    inside, levels = _levels(name, weights, 0.97, None, freeze_batch_norm)
    features = keras.Model(inside.input, {"P4": levels["P4"]}, name="features")
    scaled = scale_pixels(images, _SOURCES[name].scaling)
    trunk = keras.Model(images, features(scaled), name=name)
    return trunk, keras.Model(levels["P4"], levels["P5"], name="last_stage")


def _levels(name, weights, momentum, output_stride, freeze_batch_norm):
    """The network itself, and its levels P1 to P5."""
    source = _SOURCES[name]
    application = getattr(keras.applications, source.application)(
        input_shape=(None, None, 3), include_top=False, weights=weights, **source.options
    )
    application = with_output_stride(application, output_stride)
    levels = {f"P{i}": application.get_layer(x).input for i, x in enumerate(source.leaving, 1)}
    levels["P5"] = application.output
    for layer in application.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
            layer.trainable = not freeze_batch_norm
    return application, levels
