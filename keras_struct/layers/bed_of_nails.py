"""Upsampling that puts every value into one cell and zeros around it."""

import keras
from keras import ops

from keras_struct.layers.arguments import check_step, enlarged_shape
from keras_struct.ops.grids import crop_to


@keras.saving.register_keras_serializable(package="keras_struct")
class BedOfNails(keras.layers.Layer):
    """Enlarge a grid: each value goes to the top left of `size` x `size` cells, the rest is zero.

    Args:
        size: int of at least 2, how many times the sides grow.

    Call arguments:
        inputs: (B, h, w, C).
        like: (B, H, W, ...), whose height and width the output gets; None for h * size, w * size.

    Returns:
        (B, H, W, C).

    Raises:
        ValueError: if `size` is below 2, or h or w is not H or W divided by it, rounded up.
    """

    def __init__(self, size=2, **kwargs):
        super().__init__(**kwargs)
        self.size = check_step(size, "size")

    def call(self, inputs, like=None):
        batch, height, width, channels = ops.shape(inputs)
        zeros, step = self.size - 1, self.size
        x = ops.pad(inputs, ((0, 0), (0, 0), (0, 0), (0, zeros * channels)))
        x = ops.reshape(x, (batch, height, width * step, channels))
        x = ops.pad(x, ((0, 0), (0, 0), (0, zeros * width * step), (0, 0)))
        x = ops.reshape(x, (batch, height * step, width * step, channels))
        return crop_to(x, like, step)

    def compute_output_shape(self, inputs_shape, like_shape=None):
        return enlarged_shape(inputs_shape, like_shape, self.size)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
