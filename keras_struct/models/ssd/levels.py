"""From a backbone's levels to those that SSD predicts on: extra layers."""

import keras

from keras_struct.layers.l2_normalization import L2Normalization
from keras_struct.models.blocks import pointwise_block, separable_block

_EXTRA_CHANNELS = (512, 256, 256, 128)


def vgg_levels(backbone, image_size):
    """conv4_3 normalised, fc7, then the paper's extra layers: 38, 19, 10, 5, 3, 1 at 300 pixels."""
    levels = {
        "P3": L2Normalization(20.0, name="conv4_3_norm")(backbone["P3"]),
        "P4": backbone["P4"],
    }
    # (bottleneck, channels, kernel, strides, padding) of conv8 to conv11, or to conv12 at 512.
    strided, valid = (3, 2, "same"), (3, 1, "valid")
    extras = [(256, 512, *strided), (128, 256, *strided)]
    if image_size == 300:
        extras += [(128, 256, *valid), (128, 256, *valid)]
    else:
        extras += [(128, 256, *strided), (128, 256, *strided), (128, 256, 4, 1, "padded")]
    x = levels["P4"]
    for index, (bottleneck, channels, kernel, strides, padding) in enumerate(extras, 5):
        name = f"conv{index + 3}"
        x = keras.layers.Conv2D(bottleneck, 1, activation="relu", name=f"{name}_1")(x)
        if padding == "padded":  # 4x4 over 2x2 cells padded by one pixel each side, as Caffe pads
            x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        x = keras.layers.Conv2D(
            channels,
            kernel,
            strides=strides,
            padding="same" if padding == "same" else "valid",
            activation="relu",
            name=f"{name}_2",
        )(x)
        levels[f"P{index}"] = x
    return levels


def extra_levels(backbone, last_level=9):
    """P4 and P5 of the backbone, then light layers that halve the size each."""
    levels = {"P4": backbone["P4"], "P5": backbone["P5"]}
    x = levels["P5"]
    for level, channels in zip(range(6, last_level + 1), _EXTRA_CHANNELS, strict=True):
        x = pointwise_block(x, channels // 2, f"extra_p{level}_squeeze")
        x = separable_block(x, channels, f"extra_p{level}", strides=2)
        levels[f"P{level}"] = x
    return levels
