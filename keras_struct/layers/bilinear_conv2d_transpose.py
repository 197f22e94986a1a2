"""Transposed convolution of each channel, that starts as bilinear interpolation."""

import keras
import numpy as np
from keras import ops

from keras_struct.layers.arguments import check_step, enlarged_shape
from keras_struct.ops.grids import continue_edges, crop_to


@keras.saving.register_keras_serializable(package="keras_struct")
class BilinearConv2DTranspose(keras.layers.Layer):
    """Enlarge each channel by a transposed convolution of its own, bilinear at first.

    The kernel of each channel has sides of 2 * `strides` and there is no bias. Channels do not mix
    (Keras' `Conv2DTranspose` has no groups). A coarse cell covers `strides` x `strides` fine ones
    and its value lies in the middle of them (half-pixel centres), so that the output needs no
    shift. Beyond the border the edge goes on: what is constant stays constant up to the border,
    where a zero border would fade.

    Args:
        strides: int of at least 2, how many times the sides grow.
        learned: bool; False keeps bilinear interpolation, without weights.

    Call arguments:
        inputs: (B, h, w, C).
        like: (B, H, W, ...), whose height and width the output gets; None for h * strides,
            w * strides.

    Returns:
        (B, H, W, C); rows and columns too many are cut off at the bottom and at the right.

    Raises:
        ValueError: if `strides` is below 2, or h or w is not H or W divided by it, rounded up.

    Source: Long et al. 2015, arXiv:1411.4038, section 3.3; its border is zero.
    """

    def __init__(self, strides, learned=True, **kwargs):
        super().__init__(**kwargs)
        self.strides = check_step(strides, "strides")
        self.learned = bool(learned)

    def build(self, inputs_shape, like_shape=None):
        if self.learned:
            channels = inputs_shape[-1]
            self.kernel = self.add_weight(
                shape=(2 * self.strides, 2 * self.strides, channels),
                initializer=keras.initializers.Constant(bilinear_kernel(self.strides, channels)),
                name="kernel",
            )

    def call(self, inputs, like=None):
        if self.learned:
            return crop_to(self._convolve(inputs), like, self.strides)
        sides = tuple(side * self.strides for side in inputs.shape[1:3])
        # The same numbers from one operator that every runtime has a fast kernel for.
        enlarged = ops.image.resize(inputs, sides, interpolation="bilinear")
        return crop_to(enlarged, like, self.strides)

    def _convolve(self, inputs):
        """Each fine cell sees 2 x 2 coarse ones, through weights that its place in a cell gives.

        So a depthwise convolution with `strides` * `strides` outputs a channel has them all, with
        no zeros to multiply; then they only need to be put in place.
        """
        step, (height, width, channels) = self.strides, inputs.shape[1:]
        kernel = ops.flip(ops.reshape(self.kernel, (2, step, 2, step, channels)), (0, 2))
        kernel = ops.transpose(kernel, (0, 2, 4, 1, 3))
        kernel = ops.reshape(kernel, (2, 2, channels, step * step))
        padded = continue_edges(inputs, 1, (1, 1))
        x = ops.depthwise_conv(padded, ops.cast(kernel, padded.dtype), 1, "valid")
        x = ops.reshape(x, (-1, width + 1, channels, step, step))
        x = ops.transpose(x, (0, 3, 1, 4, 2))
        x = ops.reshape(x, (-1, (height + 1) * step, (width + 1) * step, channels))
        first = first_cell(step)
        return x[:, first : first + height * step, first : first + width * step]

    def compute_output_shape(self, inputs_shape, like_shape=None):
        return enlarged_shape(inputs_shape, like_shape, self.strides)

    def get_config(self):
        return {**super().get_config(), "strides": self.strides, "learned": self.learned}


def first_cell(strides: int) -> int:
    """Where the first coarse cell begins in the full transposed convolution with 2 * strides."""
    return (strides + 1) // 2


def bilinear_kernel(strides: int, channels: int) -> np.ndarray:
    """(2 * strides, 2 * strides, channels) float32 that interpolates bilinearly.

    For odd strides the first row and column are zero.
    """
    rising = (np.arange(strides) - first_cell(strides) + 0.5) / strides + 0.5
    profile = np.concatenate([rising, 1 - rising])
    return np.repeat(np.outer(profile, profile)[..., None], channels, axis=-1).astype("float32")
