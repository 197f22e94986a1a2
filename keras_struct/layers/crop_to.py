"""The middle of a tensor, as large as another."""

import keras


@keras.saving.register_keras_serializable(package="keras_struct")
class CropTo(keras.layers.Layer):
    """Cut the middle out of a tensor, at the height and width of another.

    Where the rows or columns to cut are odd in number, one more goes at the end.

    Call arguments:
        inputs: (B, H, W, C).
        like: (B, h, w, ...), not larger.

    Returns:
        (B, h, w, C).

    Raises:
        ValueError: if `like` is larger.

    Source: Ronneberger et al. 2015, arXiv:1505.04597, figure 1, "copy and crop".
    """

    def call(self, inputs, like):
        return cropped(inputs, like.shape[1:3])

    def compute_output_shape(self, inputs_shape, like_shape):
        return (inputs_shape[0], *like_shape[1:3], inputs_shape[3])


def cropped(inputs, sides):
    """The middle (height, width) of a tensor (B, H, W, ...)."""
    if tuple(inputs.shape[1:3]) == tuple(sides):
        return inputs
    first = [(before - after) // 2 for before, after in zip(inputs.shape[1:3], sides, strict=True)]
    if min(first) < 0:
        raise ValueError(
            f"`inputs` must be at least as large as {tuple(sides)}. "
            f"Received: shape={tuple(inputs.shape)}."
        )
    top, left = first
    return inputs[:, top : top + sides[0], left : left + sides[1]]
