"""Scaling of pixels 0..255 to what a network was trained with; a part of the model."""

import keras
from keras import ops

_IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


def scale_pixels(images, scaling):
    """Scale images (B, H, W, 3), RGB in 0..255.

    Args:
        images: Keras tensor.
        scaling: "unit" ([-1, 1]), "caffe" (BGR less the ImageNet mean) or "none".

    Returns:
        (B, H, W, 3) Keras tensor in float32, the scaling of `keras.applications`' networks.
    """
    if scaling == "unit":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32")(images)
    if scaling == "caffe":
        bgr = ops.take(images, [2, 1, 0], axis=-1)
        offset = [-mean for mean in _IMAGENET_MEAN_BGR]
        return keras.layers.Rescaling(1.0, offset=offset, dtype="float32")(bgr)
    return images
