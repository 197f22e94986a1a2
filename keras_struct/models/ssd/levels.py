"""From a backbone's levels to those that SSD predicts on: extra layers, or a pyramid."""

import keras

from keras_struct.layers.l2_normalization import L2Normalization
from keras_struct.models.blocks import pointwise_block, separable_block

_PYRAMID_CHANNELS = 128
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


def pyramid_levels(backbone, wanted):
    """Feature pyramid in its light form: top-down sums and separable convolutions.

    The predictors follow at once. A tower between (two more blocks, shared by the levels) makes
    training from few images slower: see docs/results.md, blood cells.

    Args:
        backbone: {"P3", "P4", "P5"} Keras tensors (VGG16: {"P3", "P4"}).
        wanted: names of levels, finest first, e.g. ("P3", ..., "P7"). Levels beyond the backbone
            come by stride-2 convolutions.

    Returns:
        {name: (B, h, w, 128)} of the wanted levels.

    Source: Lin et al. 2017, arXiv:1612.03144, separable as in SSD-MobileNet-FPNLite.
    """
    finest = int(wanted[0][1:])
    available = [name for name in sorted(backbone) if int(name[1:]) >= finest]
    levels, above = {}, None
    for name in reversed(available):
        lateral = pointwise_block(
            backbone[name], _PYRAMID_CHANNELS, f"lateral_{name.lower()}", linear=True
        )
        if above is not None:
            lateral = keras.layers.Add(name=f"merge_{name.lower()}")(
                [lateral, _upsample_to(above, lateral, name)]
            )
        above = lateral
        levels[name] = lateral
    smooth = {
        name: separable_block(x, _PYRAMID_CHANNELS, f"smooth_{name.lower()}")
        for name, x in levels.items()
    }
    x = smooth[available[-1]]
    for level in range(int(available[-1][1:]) + 1, int(wanted[-1][1:]) + 1):
        x = separable_block(x, _PYRAMID_CHANNELS, f"down_p{level}", strides=2)
        smooth[f"P{level}"] = x
    return {name: smooth[name] for name in wanted}


def _upsample_to(above, lateral, name):
    """Nearest-neighbour to twice the size, less the last row and column where the size is odd."""
    up = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"upsample_{name.lower()}")(
        above
    )
    extra = [up.shape[axis] - lateral.shape[axis] for axis in (1, 2)]
    if not any(extra):
        return up
    return keras.layers.Cropping2D(((0, extra[0]), (0, extra[1])), name=f"crop_{name.lower()}")(up)
