"""What stands between the features of regions and the predictors: bodies of the heads."""

import keras
from keras import ops


class TwoFullyConnected(keras.layers.Layer):
    """Flatten, then two dense layers with ReLU: fc6 and fc7.

    Args:
        units: int, of each layer; 4096 (VGG16) or 1024 (pyramid).
        dropout: float in [0, 1), after each.

    Call arguments:
        x: (B, R, ...) float, features of regions.

    Returns:
        (B, R, units).

    Source: Girshick 2015, arXiv:1504.08083, section 2; Lin et al. 2017, arXiv:1612.03144,
    section 4.2.
    """

    def __init__(self, units=1024, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.fc6 = keras.layers.Dense(units, activation="relu", name="fc6")
        self.fc7 = keras.layers.Dense(units, activation="relu", name="fc7")
        self.dropout = keras.layers.Dropout(dropout)

    def build(self, shape):
        width = 1
        for side in shape[2:]:
            width *= side
        self.fc6.build((*shape[:2], width))
        self.fc7.build((*shape[:2], self.fc6.units))

    def call(self, x, training=None):
        width = self.fc6.kernel.shape[0]
        x = ops.reshape(x, (-1, x.shape[1], width))
        x = self.dropout(self.fc6(x), training=training)
        return self.dropout(self.fc7(x), training=training)


class PooledStage(keras.layers.Layer):
    """A convolutional stage on every region, such as conv5 of a ResNet, then its mean.

    Args:
        stage: a model of (N, h, w, C) to (N, h', w', D); shared with a mask head where there is.

    Call arguments:
        x: (B, R, h, w, C) float.

    Returns:
        (B, R, D).

    Source: He et al. 2016, arXiv:1512.03385, appendix A.
    """

    def __init__(self, stage, **kwargs):
        super().__init__(**kwargs)
        self.stage = stage

    def build(self, shape):
        self.built = True

    def call(self, x, training=None):
        return ops.mean(per_region(self.stage, x), axis=(2, 3))


def per_region(layer, x):
    """Apply a layer of (N, h, w, C) to every region of x (B, R, h, w, C)."""
    regions = x.shape[1]
    y = layer(ops.reshape(x, (-1, *x.shape[2:])))
    return ops.reshape(y, (-1, regions, *y.shape[1:]))
