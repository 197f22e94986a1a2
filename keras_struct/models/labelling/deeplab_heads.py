"""The heads of DeepLab: class scores from one dilated feature map."""

import keras

from keras_struct.layers.resize_to import ResizeTo
from keras_struct.models.blocks import BATCH_NORM_MOMENTUM, pointwise_block


def summed_branches(features, num_classes, rates, channels, dropout, fc_weights=None):
    """LargeFOV (one rate) and ASPP as first published: branches of fc6, fc7 and scores, summed.

    Args:
        features: (B, h, w, C) Keras tensor, pool5 of VGG16.
        num_classes: int.
        rates: ints, dilation of each branch's 3x3 fc6.
        channels: int, of fc6 and fc7.
        dropout: float in [0, 1), behind fc6 and fc7.
        fc_weights: {"fc6": [kernel, bias], "fc7": ...} that every branch starts from, or None.

    Returns:
        (B, h, w, num_classes) scores.

    Source: Chen et al. 2015, arXiv:1412.7062, section 5.3 (LargeFOV); Chen et al. 2017,
    arXiv:1606.00915, figure 7b.
    """
    scores = []
    for rate in rates:
        x = features
        for fc, size in (("fc6", 3), ("fc7", 1)):
            layer = keras.layers.Conv2D(
                channels,
                size,
                padding="same",
                dilation_rate=rate if size > 1 else 1,
                activation="relu",
                name=f"{fc}_rate_{rate}",
            )
            x = layer(x)
            if fc_weights:
                layer.set_weights(fc_weights[fc])
            x = keras.layers.Dropout(dropout, name=f"{fc}_rate_{rate}_dropout")(x)
        scores.append(_scores(x, num_classes, f"classes_rate_{rate}", stddev=0.01))
    return keras.layers.Add(name="sum")(scores) if len(scores) > 1 else scores[0]


def pooled_pyramid(features, num_classes, rates, channels, dropout):
    """ASPP of version 3: 1x1, dilated 3x3s and the mean over the image, joined by a 1x1.

    Args:
        features: (B, h, w, C) Keras tensor.
        num_classes: int.
        rates: ints, dilation of the 3x3 convolutions; may be empty.
        channels: int, of every branch and of what joins them.
        dropout: float in [0, 1), before the scores.

    Returns:
        (B, h, w, num_classes) scores.

    Source: Chen et al. 2017, arXiv:1706.05587, section 3.3; without rates it is the head of the
    official MobileNetV2 files.
    """
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True, name="image_mean")(features)
    mean = pointwise_block(mean, channels, "image_pooling")
    branches = [
        ResizeTo(name="image_pooling_everywhere")(mean, features),
        pointwise_block(features, channels, "aspp_1x1"),
    ]
    for rate in rates:
        name = f"aspp_rate_{rate}"
        x = keras.layers.Conv2D(
            channels, 3, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}_conv"
        )(features)
        x = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
        branches.append(keras.layers.ReLU(6.0, name=f"{name}_relu")(x))
    x = keras.layers.Concatenate(name="aspp")(branches)
    x = pointwise_block(x, channels, "aspp_projection")
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return _scores(x, num_classes, "classes")


def _scores(x, num_classes, name, stddev=None):
    start = "glorot_uniform" if stddev is None else keras.initializers.RandomNormal(0.0, stddev)
    return keras.layers.Conv2D(num_classes, 1, kernel_initializer=start, name=name)(x)
