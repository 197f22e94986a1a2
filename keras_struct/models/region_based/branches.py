"""Branches: the features of regions, a body, and what it predicts of every region."""

import keras
from keras import ops

from keras_struct.models.region_based.bodies import per_region

_SCORES = keras.initializers.RandomNormal(0.0, 0.01)
_OFFSETS = keras.initializers.RandomNormal(0.0, 0.001)


class BoxBranch(keras.layers.Layer):
    """Class and box of every region.

    Args:
        features: layer of (levels, boxes) to features of regions, such as `RoIAlign`.
        body: layer of features (B, R, ...) to (B, R, D).
        num_classes: int, C.

    Call arguments:
        levels: {"P4": (B, h, w, C), ...} float.
        boxes: (B, R, 4) float32, xyxy, pixels.

    Returns:
        {"class_logits": (B, R, 1 + C), background first, "box_deltas": (B, R, C, 4)} float32.

    Source: Girshick 2015, arXiv:1504.08083, section 2.1 and 2.3 (deviations of 0.01 and 0.001).
    """

    def __init__(self, features, body, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.features = features
        self.body = body
        self.classes = _dense(num_classes + 1, _SCORES, "classes")
        self.offsets = _dense(num_classes * 4, _OFFSETS, "offsets")

    def call(self, levels, boxes, training=None):
        x = self.body(self.features(levels, boxes), training=training)
        deltas = ops.reshape(self.offsets(x), (-1, boxes.shape[1], self.num_classes, 4))
        return {"class_logits": self.classes(x), "box_deltas": deltas}


def _dense(units, initializer, name):
    return keras.layers.Dense(units, kernel_initializer=initializer, dtype="float32", name=name)


class MaskBranch(keras.layers.Layer):
    """A mask for every class of every region.

    Args:
        features: layer of (levels, boxes) to (B, R, h, w, D), such as `RoIAlign`.
        num_classes: int, C.
        stage: model of (N, h, w, D) to features, shared with the boxes (a ResNet's conv5), or None
            for convolutions of its own.
        width: int, channels.
        depth: int, 3x3 convolutions where there is no stage.

    Call arguments:
        levels: {"P4": (B, h, w, C), ...} float.
        boxes: (B, R, 4) float32, xyxy, pixels.

    Returns:
        (B, R, 2h, 2w, C) float32 logits.

    Source: He et al. 2017, arXiv:1703.06870, figure 4.
    """

    def __init__(self, features, num_classes, stage=None, width=256, depth=4, **kwargs):
        super().__init__(**kwargs)
        self.features = features
        self.stage = _convolutions(width, depth, "mask") if stage is None else stage
        self.up = keras.layers.Conv2DTranspose(
            width, 2, strides=2, activation="relu", kernel_initializer="he_normal", name="up"
        )
        self.classes = keras.layers.Conv2D(
            num_classes, 1, kernel_initializer=_OFFSETS, dtype="float32", name="classes"
        )

    def call(self, levels, boxes, training=None):
        x = self.features(levels, boxes)
        return per_region(lambda regions: self.classes(self.up(self.stage(regions))), x)


class KeypointBranch(keras.layers.Layer):
    """A heatmap for every keypoint of every region.

    Args:
        features: layer of (levels, boxes) to (B, R, 14, 14, D), such as `RoIAlign`.
        num_keypoints: int, J.
        width: int, channels of the convolutions.
        depth: int, 3x3 convolutions.

    Call arguments:
        levels: {"P4": (B, h, w, C), ...} float.
        boxes: (B, R, 4) float32, xyxy, pixels.

    Returns:
        (B, R, 56, 56, J) float32 logits over the cells.

    Source: He et al. 2017, arXiv:1703.06870, section 5: eight convolutions of 512 channels, a
    deconvolution and bilinear upsampling.
    """

    def __init__(self, features, num_keypoints, width=512, depth=8, **kwargs):
        super().__init__(**kwargs)
        self.features = features
        self.stage = _convolutions(width, depth, "keypoint")
        self.heatmaps = keras.layers.Conv2DTranspose(
            num_keypoints, 4, strides=2, padding="same", dtype="float32", name="heatmaps",
            kernel_initializer=_OFFSETS,
        )  # fmt: skip
        self.up = keras.layers.UpSampling2D(2, interpolation="bilinear", dtype="float32")

    def call(self, levels, boxes, training=None):
        x = self.features(levels, boxes)
        return per_region(lambda regions: self.up(self.heatmaps(self.stage(regions))), x)


def _convolutions(width, depth, name):
    return keras.Sequential(
        [
            keras.layers.Conv2D(
                width,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"{name}_conv{index + 1}",
            )
            for index in range(depth)
        ],
        name=f"{name}_stage",
    )
