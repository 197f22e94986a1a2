"""`keras.applications`, wrapped once: pixels 0..255 in, a dict of levels out."""

from dataclasses import dataclass, field

import keras

from keras_struct.backbones.pixels import scale_pixels
from keras_struct.backbones.vgg16 import reduced_vgg16


@dataclass(frozen=True)
class _Source:
    """A network of `keras.applications`, with the layers that *leave* its levels.

    A level is the last feature map before the stride doubles: the input of the named layer. The
    deepest level, P5, is the network's output.
    """

    application: str
    leaving: dict
    scaling: str
    options: dict = field(default_factory=dict)


def _mobilenet_v1(**options):
    leaving = {"P2": "conv_pad_4", "P3": "conv_pad_6", "P4": "conv_pad_12"}
    return _Source("MobileNet", leaving, "unit", options)


def _mobilenet_v2(**options):
    leaving = {"P2": "block_3_pad", "P3": "block_6_pad", "P4": "block_13_pad"}
    return _Source("MobileNetV2", leaving, "unit", options)


def _mobilenet_v3_small():
    blocks = {"P2": 1, "P3": 3, "P4": 8}
    leaving = {level: f"expanded_conv_{i}_depthwise_pad" for level, i in blocks.items()}
    return _Source("MobileNetV3Small", leaving, "none")  # scales its pixels itself


def _resnet50():
    leaving = {f"P{stage}": f"conv{stage + 1}_block1_1_conv" for stage in (2, 3, 4)}
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


def create(name, image_size, weights=None, batch_norm_momentum=0.97):
    """Build a backbone.

    Args:
        name: one of `names()`. "vgg16" is the form with dilated fc6 and fc7 (SSD, DeepLab).
        image_size: int, pixels of the square input image.
        weights: None (random), "imagenet" (downloaded by Keras), or the path of a weights file
            of the same `keras.applications` network without its top (VGG16: with or without).
        batch_norm_momentum: float in (0, 1). Keras' 0.99 and 0.999 suit ImageNet's million steps;
            fine-tuning of a few thousand wants statistics that follow.

    Returns:
        A `keras.Model`: images (B, S, S, 3) float32 in 0..255 to {"P2": ..., "P5": ...}, each
        (B, h, w, C) at stride 2 to the number (vgg16: {"P3", "P4"}).

    Raises:
        ValueError: for an unknown name, or weights that do not fit.
    """
    check_name(name)
    images = keras.Input((image_size, image_size, 3), name="images")
    if name == "vgg16":
        return keras.Model(images, reduced_vgg16(images, weights), name=name)
    source = _SOURCES[name]
    application = getattr(keras.applications, source.application)(
        input_shape=(image_size, image_size, 3),
        include_top=False,
        weights=weights,
        **source.options,
    )
    if source.application == "MobileNet":
        application = _round_sizes_up(application)
    levels = {key: application.get_layer(layer).input for key, layer in source.leaving.items()}
    features = keras.Model(application.input, {**levels, "P5": application.output}, name="features")
    for layer in features.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batch_norm_momentum
    return keras.Model(images, features(scale_pixels(images, source.scaling)), name=name)


def _round_sizes_up(application):
    """MobileNetV1 that halves an odd size upwards, as its original and all the others do.

    Keras pads one row and column whatever the size, so that 75 pixels become 37 instead of 38.
    """
    paddings, size = {}, application.input.shape[1]
    for layer in application.layers:
        if isinstance(layer, keras.layers.ZeroPadding2D):
            size = (size + 1) // 2
            paddings[layer.name] = ((size % 2, 1), (size % 2, 1))

    def clone(layer):
        if layer.name in paddings:
            return keras.layers.ZeroPadding2D(paddings[layer.name], name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    rounded = keras.models.clone_model(application, clone_function=clone)
    rounded.set_weights(application.get_weights())
    return rounded
