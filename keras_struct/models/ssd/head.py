"""Convolutional predictors: box offsets and class scores at every cell of every level."""

import math

import keras

from keras_struct.models.blocks import depthwise_block


def dense_head(levels, sizes, num_scores, light, prior=None):
    """Predict on each level and join the levels.

    Args:
        levels: {"P3": (B, h, w, C) Keras tensor, ...}.
        sizes: {"P3": ((width, height), ...), ...}: as many boxes per cell as sizes.
        num_scores: int, scores per box (classes, and background where there is one).
        light: bool, depthwise-separable predictors (SSDLite) instead of 3x3 convolutions.
        prior: float or None. The probability that every score starts from (focal loss).

    Returns:
        {"box_deltas": (B, A, 4), "class_logits": (B, A, num_scores)} float32 Keras tensors, in
        the order of `grid_anchors`.

    Source: Liu et al. 2016, arXiv:1512.02325, section 2.1; Sandler et al. 2018, arXiv:1801.04381,
    section 6.2 (SSDLite); Lin et al. 2017, arXiv:1708.02002, section 4.1 (prior).
    """
    bias = -math.log((1 - prior) / prior) if prior else 0.0
    outputs = {"box_deltas": (4, 0.0), "class_logits": (num_scores, bias)}
    joined = {}
    for name, (width, start) in outputs.items():
        parts = [
            _predict(
                levels[level], len(sizes[level]), width, start, f"{name}_{level.lower()}", light
            )
            for level in sizes
        ]
        joined[name] = keras.layers.Concatenate(axis=1, dtype="float32", name=name)(parts)
    return joined


def _predict(x, num_boxes, width, start, name, light):
    if light:
        x = depthwise_block(x, 3, name)
    x = keras.layers.Conv2D(
        num_boxes * width,
        1 if light else 3,
        padding="same",
        bias_initializer=keras.initializers.Constant(start),
        name=f"{name}_conv",
    )(x)
    cells = x.shape[1] * x.shape[2]
    return keras.layers.Reshape((cells * num_boxes, width), name=f"{name}_flat")(x)
