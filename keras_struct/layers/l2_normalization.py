"""L2 normalisation of each position with a learned scale per channel."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_struct")
class L2Normalization(keras.layers.Layer):
    """Bring the feature vector at every position to a learned length.

    y = scale * x / ||x||, the norm over channels, one scale per channel. Features of an early
    level are larger than those of later ones; this puts them on one scale for a shared loss.

    Args:
        initial_scale: float > 0, the value every channel's scale starts from.

    Call arguments:
        inputs: (..., C) floats.

    Returns:
        (..., C), same dtype as the layer computes in.

    Raises:
        ValueError: if `initial_scale` is not positive.

    Source: Liu et al. 2015 (ParseNet), arXiv:1506.04579, section 3.3; SSD uses 20.
    """

    def __init__(self, initial_scale=20.0, **kwargs):
        super().__init__(**kwargs)
        if not initial_scale > 0:
            raise ValueError(
                f"`initial_scale` must be positive. Received: initial_scale={initial_scale!r}. "
                "SSD uses 20."
            )
        self.initial_scale = float(initial_scale)

    def build(self, input_shape):
        self.scale = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial_scale),
            name="scale",
        )

    def call(self, inputs):
        # Squares of float16 features overflow, so that the norm is taken in float32.
        features = ops.cast(inputs, "float32")
        squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
        normalized = features * ops.rsqrt(ops.maximum(squares, 1e-10))
        return ops.cast(normalized, self.compute_dtype) * self.scale

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "initial_scale": self.initial_scale}
