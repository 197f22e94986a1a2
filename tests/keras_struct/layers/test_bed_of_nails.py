import keras
import numpy as np
import pytest
from keras import ops

from keras_struct.layers import BedOfNails

pytestmark = pytest.mark.agnostic


def test_the_example_of_the_lecture():
    y = BedOfNails()(np.float32([[1, 2], [3, 4]])[None, ..., None])
    expected = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(ops.convert_to_numpy(y)[0, ..., 0], expected)


@pytest.mark.parametrize("size, sides", [(2, (5, 7)), (2, (6, 8)), (3, (7, 10)), (4, (9, 12))])
def test_equals_assignment_at_every_size(size, sides):
    shape = [-(-side // size) for side in sides]
    x = np.random.default_rng(0).normal(size=(2, *shape, 3)).astype("float32")
    expected = np.zeros((2, *sides, 3), "float32")
    expected[:, ::size, ::size] = x
    like = np.zeros((2, *sides, 1), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(BedOfNails(size)(x, like)), expected)


def test_gradient_takes_the_nails():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    import tensorflow as tf

    x = tf.Variable(np.ones((1, 2, 3, 2), "float32"))
    weights = np.random.default_rng(0).normal(size=(1, 4, 6, 2)).astype("float32")
    with tf.GradientTape() as tape:
        value = ops.sum(BedOfNails()(x) * weights)
    np.testing.assert_allclose(tape.gradient(value, x), weights[:, ::2, ::2])


def test_symbolic_shape_and_saving(tmp_path):
    coarse, fine = keras.Input((None, None, 2)), keras.Input((None, None, 3))
    model = keras.Model([coarse, fine], BedOfNails(3)(coarse, fine))
    assert model.output.shape == (None, None, None, 2)
    assert BedOfNails(3)(keras.Input((2, None, 2))).shape == (None, 6, None, 2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [np.ones((1, 2, 2, 2), "float32"), np.ones((1, 5, 6, 3), "float32")]
    assert again(inputs).shape == (1, 5, 6, 2)
    assert float(ops.sum(again(inputs))) == 8


def test_errors():
    with pytest.raises(ValueError, match="`size` must be an integer of at least 2. Received: .*0"):
        BedOfNails(0)
    x, like = np.zeros((1, 2, 2, 1), "float32"), np.zeros((1, 4, 5, 1), "float32")
    with pytest.raises(ValueError, match="sides from 3 x 3 to 4 x 4.*height=4, width=5"):
        BedOfNails()(x, like)
