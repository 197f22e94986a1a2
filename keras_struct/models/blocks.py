"""Small groups of layers that every light network is made of."""

import keras

# Training here is thousands of steps, not ImageNet's millions: Keras' 0.99 would lag behind.
BATCH_NORM_MOMENTUM = 0.97


def depthwise_block(x, kernel_size, name, strides=1):
    """Depthwise convolution, batch norm, ReLU6 on (B, H, W, C); "same" padding."""
    x = keras.layers.DepthwiseConv2D(
        kernel_size, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    return _normalize(x, f"{name}_depthwise")


def pointwise_block(x, channels, name, linear=False):
    """1x1 convolution, batch norm, ReLU6 (unless `linear`) on (B, H, W, C)."""
    x = keras.layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_conv")(x)
    return _normalize(x, name, linear)


def separable_block(x, channels, name, strides=1):
    """3x3 depthwise block, then a pointwise block to `channels`."""
    x = depthwise_block(x, 3, name, strides)
    return pointwise_block(x, channels, name)


def _normalize(x, name, linear=False):
    x = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return x if linear else keras.layers.ReLU(6.0, name=f"{name}_relu")(x)
