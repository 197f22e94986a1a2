"""Maps, boxes and gradients for the tests of region features."""

import keras
import numpy as np
from keras import ops

# In pixels of a 224 x 176 image: all of it, larger, no area, beyond each border, at the corner.
SPECIAL = [
    [0, 0, 224, 176],
    [-500, -600, 900, 800],
    [50, 50, 50, 50],
    [60, 40, 60, 90],
    [-90, 10, -40, 60],
    [300, 20, 400, 90],
    [20, -300, 90, -100],
    [20, 180, 90, 300],
    [224, 176, 224, 176],
    [-30, -20, 40, 50],
]


def random_map(seed, channels, height=11, width=14, images=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(images, height, width, channels)).astype("float32")


def some_boxes(seed, images=2):
    """(images, 40, 4): the special ones, whole cells, halves of cells, and any, 1 to 400 px."""
    rng = np.random.default_rng(seed)
    corner, side = (
        rng.uniform(-20, 220, (images, 30, 2)),
        np.exp(rng.uniform(0, 6, (images, 30, 2))),
    )
    boxes = np.concatenate([corner - side / 2, corner + side / 2], axis=-1)
    boxes[:, :10] = np.round(boxes[:, :10] / 8) * 8
    special = np.tile(np.float64(SPECIAL), (images, 1, 1))
    return np.concatenate([special, boxes], axis=1).astype("float32")


def gradients(function, *arrays):
    """Gradients of the scalar function(*arrays) to each array, None where there is none."""
    if keras.backend.backend() == "jax":
        import jax

        found = jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)
        return [np.asarray(slope) for slope in found]
    if keras.backend.backend() == "torch":
        inputs = [ops.convert_to_tensor(array).requires_grad_() for array in arrays]
        function(*inputs).backward()
        return [one.grad if one.grad is None else one.grad.cpu().numpy() for one in inputs]
    import tensorflow as tf

    inputs = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        for one in inputs:
            tape.watch(one)
        value = function(*inputs)
    found = tape.gradient(value, inputs)
    return [one if one is None else tf.convert_to_tensor(one).numpy() for one in found]


def differences(function, array, step=0.01):
    """Gradient of a scalar function by central differences; exact for what is linear nearby."""
    slopes = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        move = np.zeros_like(array)
        move[place] = step
        slopes[place] = (float(function(array + move)) - float(function(array - move))) / (2 * step)
    return slopes
