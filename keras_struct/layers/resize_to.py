"""Resizing to the sides of another tensor."""

import keras
from keras import ops

from keras_struct.ops.grids import nearest_cells

_INTERPOLATIONS = ("bilinear", "nearest")


@keras.saving.register_keras_serializable(package="keras_struct")
class ResizeTo(keras.layers.Layer):
    """Stretch a tensor to the height and width of another, with half-pixel centres.

    Larger or smaller, by any factor; smaller does not average. For a grid whose cells each cover a
    whole number of others, `BilinearConv2DTranspose` keeps it in place at odd sizes too.

    Args:
        interpolation: "bilinear" or "nearest".

    Call arguments:
        inputs: (B, h, w, C).
        like: (B, H, W, ...), whose height and width the output gets.

    Returns:
        (B, H, W, C).

    Raises:
        ValueError: for another interpolation.
    """

    def __init__(self, interpolation="bilinear", **kwargs):
        super().__init__(**kwargs)
        if interpolation not in _INTERPOLATIONS:
            raise ValueError(
                f"`interpolation` must be one of {_INTERPOLATIONS}. "
                f"Received: interpolation={interpolation!r}."
            )
        self.interpolation = interpolation

    def call(self, inputs, like):
        sides = tuple(like.shape[1:3])
        if tuple(inputs.shape[1:3]) == sides:
            return inputs
        if self.interpolation == "bilinear":
            return ops.image.resize(inputs, sides, interpolation="bilinear")
        # By rows and columns: TensorRT has no nearest resizing with half-pixel centres.
        for axis, side in zip((1, 2), sides, strict=True):
            inputs = ops.take(inputs, nearest_cells(inputs.shape[axis], side), axis=axis)
        return inputs

    def compute_output_shape(self, inputs_shape, like_shape):
        return (inputs_shape[0], *like_shape[1:3], inputs_shape[3])

    def get_config(self):
        return {**super().get_config(), "interpolation": self.interpolation}
