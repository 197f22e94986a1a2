"""The two forms of U-Net: as published, and on a backbone."""

import keras

from keras_struct.layers.crop_to import CropTo
from keras_struct.layers.resize_to import ResizeTo
from keras_struct.models.blocks import BATCH_NORM_MOMENTUM, pointwise_block, separable_block


def plain_path(images, width, depth, padding, batch_norm, dropout):
    """The published network: contract by pooling, expand by up-convolutions, copy across.

    Args:
        images: Keras tensor (B, H, W, 3).
        width: int, channels at full size, doubled at each of `depth` halvings.
        depth: int, halvings.
        padding: "valid" (published) or "same".
        batch_norm: bool, behind every 3x3 convolution.
        dropout: float in [0, 1), at the end of the contracting path: the two deepest levels.

    Returns:
        (B, h, w, width) features; h = H with "same" padding.
    """

    def level(x, index, name):
        for position in (1, 2):
            x = keras.layers.Conv2D(
                width * 2**index,
                3,
                padding=padding,
                use_bias=not batch_norm,
                kernel_initializer="he_normal",
                name=f"{name}_conv{position}",
            )(x)
            if batch_norm:
                x = keras.layers.BatchNormalization(
                    momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn{position}"
                )(x)
            x = keras.layers.ReLU(name=f"{name}_relu{position}")(x)
        return x

    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="scale")(images)
    skips = []
    for index in range(depth + 1):
        if index:
            x = keras.layers.MaxPooling2D(2, padding=padding, name=f"pool_{index}")(x)
        x = level(x, index, f"down_{index}")
        if dropout and index >= depth - 1:
            x = keras.layers.Dropout(dropout, name=f"dropout_{index}")(x)
        skips.append(x)
    for index in reversed(range(depth)):
        x = keras.layers.Conv2DTranspose(
            width * 2**index, 2, 2, kernel_initializer="he_normal", name=f"up_conv_{index}"
        )(x)
        skip, crop = skips[index], CropTo(name=f"crop_{index}")
        x, skip = (x, crop(skip, x)) if padding == "valid" else (crop(x, skip), skip)
        x = keras.layers.Concatenate(name=f"merge_{index}")([skip, x])
        x = level(x, index, f"up_{index}")
    return x


def valid_size(side, depth):
    """Side of the label map of an image under "valid" padding; None if it does not go evenly."""
    for _ in range(depth):
        side -= 4
        if side < 2 or side % 2:
            return None
        side //= 2
    side -= 4
    for _ in range(depth):
        side = 2 * side - 4
    return side if side > 0 else None


def valid_margin(depth):
    """Pixels at each side of an image that get no label under "valid" padding."""
    size = padded_size(1, depth)
    return (size - valid_size(size, depth)) // 2


def padded_size(side, depth):
    """The least side of an image whose label map, under "valid" padding, holds `side` pixels."""
    size = side
    while (valid_size(size, depth) or 0) < side:
        size += 1
    return size


def backbone_path(levels, width):
    """A light decoder: step by step up the levels of a backbone, separable convolutions.

    The deepest level gets the mean over the image, transformed, as context. Channels are `width`
    at stride 2, twice that at stride 4, and four times from stride 8 on.

    Args:
        levels: {"P1", ..., "P5"} Keras tensors (or up to "P4").
        width: int, channels at stride 2.

    Returns:
        (B, H/2, W/2, width) features.
    """
    deepest = len(levels)
    features = levels[f"P{deepest}"]
    x = pointwise_block(features, 4 * width, f"reduce_p{deepest}")
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")(features)
    context = keras.layers.Conv2D(4 * width, 1, activation="relu", name="context")(mean)
    x = keras.layers.Add(name="add_context")([x, context])
    for level in range(deepest - 1, 0, -1):
        channels, name = width * min(4, 2 ** (level - 1)), f"p{level}"
        lateral = pointwise_block(levels[f"P{level}"], channels, f"lateral_{name}")
        if x.shape[-1] != channels:
            x = pointwise_block(x, channels, f"reduce_{name}")
        x = ResizeTo(name=f"up_{name}")(x, lateral)
        x = keras.layers.Concatenate(name=f"merge_{name}")([x, lateral])
        x = separable_block(x, channels, f"smooth_{name}")
    return x
