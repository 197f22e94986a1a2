"""Max pooling that remembers where each maximum was, and the way back."""

import keras
from keras import ops

from keras_struct.layers.arguments import check_step, enlarged_shape
from keras_struct.ops.grids import continue_edges, crop_to, interleave


@keras.saving.register_keras_serializable(package="keras_struct")
class MaxPoolingWithSwitches(keras.layers.Layer):
    """Max pooling of windows side by side, with the position of each maximum in its window.

    A size that the window does not divide is rounded up: the last window is smaller. Among equal
    values the first in reading order is the maximum.

    Args:
        pool_size: int of at least 2, side of the window and step between windows.

    Call arguments:
        inputs: (B, H, W, C).

    Returns:
        (values (B, h, w, C), positions (B, h, w, C) int32): positions count a window's cells in
        reading order from 0 to pool_size * pool_size - 1.

    Raises:
        ValueError: if `pool_size` is below 2.

    Source: Noh et al. 2015, arXiv:1505.04366, section 3.2.1 ("switch variables").
    """

    def __init__(self, pool_size=2, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = check_step(pool_size, "pool_size")

    def call(self, inputs):
        step = self.pool_size
        # A copy of the last row comes behind it, so that it never is the first maximum.
        x = continue_edges(inputs, 0, [-side % step for side in inputs.shape[1:3]])
        cells = [x[:, row::step, column::step] for row in range(step) for column in range(step)]
        best, positions = cells[0], ops.zeros_like(cells[0], "int32")
        for position, cell in enumerate(cells[1:], 1):
            positions = ops.where(ops.greater(cell, best), position, positions)
            best = ops.maximum(best, cell)
        return ops.max_pool(x, step, step), positions

    def compute_output_spec(self, inputs):
        sides = [side and -(-side // self.pool_size) for side in inputs.shape[1:3]]
        shape = (inputs.shape[0], *sides, inputs.shape[3])
        return keras.KerasTensor(shape, self.compute_dtype), keras.KerasTensor(shape, "int32")

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable(package="keras_struct")
class MaxUnpooling(keras.layers.Layer):
    """Put each value where its pooling layer took the maximum from, and zeros elsewhere.

    Args:
        pool_size: int of at least 2, that of the pooling layer.

    Call arguments:
        values: (B, h, w, C).
        positions: (B, h, w, C) int32, from `MaxPoolingWithSwitches`.
        like: (B, H, W, ...), whose height and width the output gets, such as the input of the
            pooling layer; None for h * pool_size, w * pool_size.

    Returns:
        (B, H, W, C).

    Raises:
        ValueError: if `pool_size` is below 2, or h or w is not H or W divided by it, rounded up.

    Source: Noh et al. 2015, arXiv:1505.04366, section 3.2.1.
    """

    def __init__(self, pool_size=2, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = check_step(pool_size, "pool_size")

    def call(self, values, positions, like=None):
        step, zeros = self.pool_size, ops.zeros_like(values)
        cells = [
            [
                ops.where(ops.equal(positions, row * step + column), values, zeros)
                for column in range(step)
            ]
            for row in range(step)
        ]
        return crop_to(interleave(cells), like, step)

    def compute_output_shape(self, values_shape, positions_shape, like_shape=None):
        return enlarged_shape(values_shape, like_shape, self.pool_size)

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}
