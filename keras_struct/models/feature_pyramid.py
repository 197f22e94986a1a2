"""Feature pyramid: fine levels with deep features."""

import keras

from keras_struct.models.blocks import pointwise_block, separable_block


def feature_pyramid(backbone, wanted, channels=256, light=False):
    """Top-down sums of lateral convolutions, each smoothed by a convolution.

    Args:
        backbone: {"P3", "P4", "P5"} Keras tensors (VGG16: {"P3", "P4"}).
        wanted: names of levels, finest first, e.g. ("P3", ..., "P7"). Levels beyond the backbone
            come by stride-2 sampling, in the light form by stride-2 convolutions.
        channels: int, of every level.
        light: bool, separable convolutions with batch norm, as in SSD-MobileNet-FPNLite.

    Returns:
        {name: (B, h, w, channels)} of the wanted levels.

    Source: Lin et al. 2017, arXiv:1612.03144, section 3.
    """
    finest = int(wanted[0][1:])
    available = [name for name in sorted(backbone) if int(name[1:]) >= finest]
    levels, above = {}, None
    for name in reversed(available):
        lateral = _lateral(backbone[name], channels, f"lateral_{name.lower()}", light)
        if above is not None:
            lateral = keras.layers.Add(name=f"merge_{name.lower()}")(
                [lateral, _upsample_to(above, lateral, name)]
            )
        above = lateral
        levels[name] = lateral
    smooth = {
        name: _smooth(x, channels, f"smooth_{name.lower()}", light) for name, x in levels.items()
    }
    x = smooth[available[-1]]
    for level in range(int(available[-1][1:]) + 1, int(wanted[-1][1:]) + 1):
        x = _halved(x, channels, f"down_p{level}", light)
        smooth[f"P{level}"] = x
    return {name: smooth[name] for name in wanted}


def _lateral(x, channels, name, light):
    if light:
        return pointwise_block(x, channels, name, linear=True)
    return keras.layers.Conv2D(channels, 1, name=name)(x)


def _smooth(x, channels, name, light):
    if light:
        return separable_block(x, channels, name)
    return keras.layers.Conv2D(channels, 3, padding="same", name=name)(x)


def _halved(x, channels, name, light):
    if light:
        return separable_block(x, channels, name, strides=2)
    return keras.layers.MaxPooling2D(1, strides=2, padding="same", name=name)(x)


def _upsample_to(above, lateral, name):
    """Nearest-neighbour to twice the size, less the last row and column where the size is odd."""
    up = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"upsample_{name.lower()}")(
        above
    )
    extra = [up.shape[axis] - lateral.shape[axis] for axis in (1, 2)]
    if not any(extra):
        return up
    return keras.layers.Cropping2D(((0, extra[0]), (0, extra[1])), name=f"crop_{name.lower()}")(up)
