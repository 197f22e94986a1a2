import keras
import numpy as np
import pytest
from backends import first_under_jax
from keras import ops

from keras_struct.layers import MaxPoolingWithSwitches, MaxUnpooling

LECTURE = [[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]


def as_image(rows):
    return np.asarray(rows, "float32")[None, ..., None]


def numpy_of(*tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


def windows(shape, size):
    """(image, row, column, channel) of each window and the slices of its cells."""
    batch, height, width, channels = shape
    for b, c in np.ndindex(batch, channels):
        for i, j in np.ndindex(-(-height // size), -(-width // size)):
            rows = slice(i * size, min(height, i * size + size))
            columns = slice(j * size, min(width, j * size + size))
            yield (b, i, j, c), (b, rows, columns, c)


def naive_pooling(x, size):
    shape = (x.shape[0], -(-x.shape[1] // size), -(-x.shape[2] // size), x.shape[3])
    values, positions = np.zeros(shape, "float32"), np.zeros(shape, "int32")
    for place, cells in windows(x.shape, size):
        window = x[cells]
        values[place] = window.max()
        row, column = np.unravel_index(window.argmax(), window.shape)
        positions[place] = row * size + column
    return values, positions


def naive_unpooling(values, positions, shape, size):
    y = np.zeros(shape, "float32")
    for place, (b, rows, columns, c) in windows(shape, size):
        row, column = divmod(positions[place], size)
        y[b, rows.start + row, columns.start + column, c] = values[place]
    return y


@pytest.mark.agnostic
def test_the_example_of_the_lecture():
    values, positions = MaxPoolingWithSwitches()(as_image(LECTURE))
    np.testing.assert_array_equal(numpy_of(values)[0], as_image([[5, 6], [7, 8]]))
    unpooled = MaxUnpooling()(as_image([[1, 2], [3, 4]]), positions)
    expected = [[0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]]
    np.testing.assert_array_equal(numpy_of(unpooled)[0], as_image(expected))


@pytest.mark.parametrize("sides", first_under_jax([(5, 7), (6, 8), (1, 2), (7, 6)]))
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_equals_loops_with_ties_and_at_odd_sizes(sides, size, ties):
    height, width = sides
    rng = np.random.default_rng(height * width)
    x = rng.normal(size=(2, height, width, 3)).astype("float32")
    x = np.round(x) if ties else x
    values, positions = numpy_of(*MaxPoolingWithSwitches(size)(x))
    expected = naive_pooling(x, size)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(positions, expected[1])
    new = rng.normal(size=values.shape).astype("float32")
    (unpooled,) = numpy_of(MaxUnpooling(size)(new, positions, x))
    np.testing.assert_array_equal(unpooled, naive_unpooling(new, positions, x.shape, size))


def test_every_maximum_comes_back_to_its_pixel():
    x = np.random.default_rng(0).normal(size=(1, 8, 6, 2)).astype("float32")
    (unpooled,) = numpy_of(MaxUnpooling()(*MaxPoolingWithSwitches()(x)))
    kept = unpooled != 0
    assert kept.sum() == x.size / 4
    np.testing.assert_array_equal(unpooled[kept], x[kept])


@pytest.mark.agnostic
def test_alone_as_in_a_batch():
    x = np.random.default_rng(0).integers(0, 3, (3, 5, 6, 2)).astype("float32")
    together = numpy_of(*MaxPoolingWithSwitches()(x))
    for index in range(3):
        alone = numpy_of(*MaxPoolingWithSwitches()(x[index : index + 1]))
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[index])


def gradient(function, x):
    """Gradient of sum(function(x)) by central differences; exact for what is linear nearby."""
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 0.01
        slopes[place] = (function(x + step) - function(x - step)) / 0.02
    return slopes


def test_gradients_flow_to_the_maxima_alone():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    x = np.random.default_rng(0).permutation(30).reshape(1, 5, 6, 1).astype("float32")
    weights = np.random.default_rng(1).normal(size=x.shape).astype("float32")

    def value(images):
        unpooled = MaxUnpooling()(*MaxPoolingWithSwitches()(images), images)
        return ops.sum(unpooled * weights)

    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        result = value(variable)
    expected = gradient(lambda images: float(value(images)), x)
    np.testing.assert_allclose(tape.gradient(result, variable), expected, atol=2e-2)
    # At ties the first alone gets it.
    flat = tf.Variable(np.zeros((1, 2, 2, 1), "float32"))
    with tf.GradientTape() as tape:
        result = ops.sum(MaxPoolingWithSwitches()(flat)[0])
    np.testing.assert_array_equal(tape.gradient(result, flat)[0, ..., 0], [[1, 0], [0, 0]])


@pytest.mark.agnostic
def test_shapes_are_known_before_the_sides_are():
    images = keras.Input((None, None, 3))
    values, positions = MaxPoolingWithSwitches()(images)
    assert values.shape == positions.shape == (None, None, None, 3)
    assert positions.dtype == "int32"
    model = keras.Model(images, MaxUnpooling()(values, positions, images))
    assert model(np.zeros((2, 5, 7, 3), "float32")).shape == (2, 5, 7, 3)
    fixed = MaxPoolingWithSwitches()(keras.Input((5, 7, 3)))
    assert fixed[0].shape == (None, 3, 4, 3)
    assert MaxUnpooling()(*fixed).shape == (None, 6, 8, 3)


@pytest.mark.agnostic
def test_loads_without_custom_objects(tmp_path):
    images = keras.Input((None, None, 1))
    model = keras.Model(images, MaxUnpooling(3)(*MaxPoolingWithSwitches(3)(images), images))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 4, 7, 1)).astype("float32")
    np.testing.assert_array_equal(*numpy_of(again(x), model(x)))


def test_the_size_of_the_output_must_fit():
    values, positions = MaxPoolingWithSwitches()(np.zeros((1, 6, 6, 1), "float32"))
    with pytest.raises(ValueError, match="sides from 5 x 5 to 6 x 6.*height=4, width=6"):
        MaxUnpooling()(values, positions, np.zeros((1, 4, 6, 1), "float32"))


@pytest.mark.parametrize("layer", [MaxPoolingWithSwitches, MaxUnpooling])
@pytest.mark.parametrize("size", [1, 2.0])
def test_pool_size_must_be_an_integer_of_two_or_more(layer, size):
    with pytest.raises(ValueError, match="`pool_size` must be an integer of at least 2"):
        layer(size)
