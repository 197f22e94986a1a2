import keras
import numpy as np
import pytest
from keras import ops

from keras_struct.layers import ResizeTo

pytestmark = pytest.mark.agnostic

SIZES = [((3, 4), (6, 8)), ((5, 7), (12, 9)), ((9, 12), (4, 5)), ((4, 4), (4, 7)), ((1, 1), (3, 2))]


def naive(x, sides, interpolation):
    """Look up the middle of every new cell in the old grid, whose edge goes on."""
    height, width = x.shape[1:3]
    out = np.zeros((len(x), *sides, x.shape[3]))
    for i, j in np.ndindex(*sides):
        row, column = (i + 0.5) * height / sides[0], (j + 0.5) * width / sides[1]
        if interpolation == "nearest":
            out[:, i, j] = x[:, int(row), int(column)]
            continue
        for di, dj in np.ndindex(2, 2):
            r, c = int(np.floor(row - 0.5)) + di, int(np.floor(column - 0.5)) + dj
            weight = (1 - abs(row - 0.5 - r)) * (1 - abs(column - 0.5 - c))
            inside = np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)
            out[:, i, j] += weight * x[:, inside[0], inside[1]]
    return out


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size, sides", SIZES)
def test_equals_loops(size, sides, interpolation):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    got = ResizeTo(interpolation)(x, np.zeros((2, *sides, 1), "float32"))
    expected = naive(x, sides, interpolation)
    np.testing.assert_allclose(ops.convert_to_numpy(got), expected, atol=1e-5)


def test_the_example_of_the_lecture():
    x = np.float32([[1, 2], [3, 4]])[None, ..., None]
    got = ResizeTo("nearest")(x, np.zeros((1, 4, 4, 1), "float32"))
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(ops.convert_to_numpy(got)[0, ..., 0], expected)


def test_gradient_counts_the_copies():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    import tensorflow as tf

    x = tf.Variable(np.ones((1, 2, 2, 1), "float32"))
    with tf.GradientTape() as tape:
        value = ops.sum(ResizeTo("nearest")(x, np.zeros((1, 3, 4, 1), "float32")))
    np.testing.assert_array_equal(tape.gradient(value, x)[0, ..., 0], [[2, 2], [4, 4]])


def test_symbolic_shape_and_saving(tmp_path):
    x, like = keras.Input((None, None, 2)), keras.Input((7, None, 3))
    model = keras.Model([x, like], ResizeTo("nearest")(x, like))
    assert model.output.shape == (None, 7, None, 2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [np.ones((2, 3, 3, 2), "float32"), np.ones((2, 7, 5, 3), "float32")]
    assert again(inputs).shape == (2, 7, 5, 2)


def test_interpolation_must_be_known():
    with pytest.raises(ValueError, match=r"`interpolation` must be one of .*Received: .*'cubic'"):
        ResizeTo("cubic")
