import keras
import numpy as np
import pytest
from keras import ops

from keras_struct.layers import BilinearConv2DTranspose

pytestmark = pytest.mark.agnostic


def naive_transposed(x, kernel, step):
    """Every coarse cell, edges continued by one, lays down its kernel; channels apart."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    batch, height, width, channels = x.shape
    side = kernel.shape[0]
    full = np.zeros((batch, (height + 1) * step, (width + 1) * step, channels))
    for i, j in np.ndindex(height, width):
        place = slice(i * step, i * step + side), slice(j * step, j * step + side)
        full[:, place[0], place[1]] += x[:, i : i + 1, j : j + 1] * kernel
    # The middle of cell 0 (1 with the edge) is where its kernel peaks: at half its size.
    first = step + (step + 1) // 2
    return full[:, first:, first:][:, : (height - 2) * step, : (width - 2) * step]


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("step", [2, 3, 4, 8])
def test_equals_a_naive_transposed_convolution(step):
    rng = np.random.default_rng(step)
    x = rng.normal(size=(2, 4, 3, 3)).astype("float32")
    layer = BilinearConv2DTranspose(step)
    layer.build(x.shape)
    kernel = rng.normal(size=layer.kernel.shape).astype("float32")
    layer.set_weights([kernel])
    expected = naive_transposed(x.astype("float64"), kernel, step)
    np.testing.assert_allclose(numpy_of(layer(x)), expected, atol=1e-5)


def test_inside_it_equals_keras_with_a_diagonal_kernel():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 5, 6, 2)).astype("float32")
    layer = BilinearConv2DTranspose(4)
    layer.build(x.shape)
    kernel = rng.normal(size=layer.kernel.shape).astype("float32")
    layer.set_weights([kernel])
    dense = kernel[..., None] * np.eye(2, dtype="float32")
    expected = numpy_of(ops.conv_transpose(x, dense, 4, "same"))
    inside = slice(2, -2)  # Keras takes zeros beyond the border
    np.testing.assert_allclose(
        numpy_of(layer(x))[:, inside, inside], expected[:, inside, inside], atol=1e-5
    )


def published_kernel(side):
    """Bilinear filler of the reference implementation, afresh from its formula."""
    factor = (side + 1) // 2
    center = factor - 1 if side % 2 else factor - 0.5
    profile = 1 - np.abs(np.arange(side) - center) / factor
    return np.outer(profile, profile)


@pytest.mark.parametrize("step", [2, 8, 16, 32])
def test_starts_as_the_published_kernel(step):
    layer = BilinearConv2DTranspose(step)
    layer.build((None, None, None, 2))
    for channel in range(2):
        kernel = numpy_of(layer.kernel)[..., channel]
        np.testing.assert_allclose(kernel, published_kernel(2 * step), atol=1e-6)


def test_odd_strides_have_the_published_kernel_too():
    layer = BilinearConv2DTranspose(3)
    layer.build((None, None, None, 1))
    kernel = numpy_of(layer.kernel)[..., 0]
    np.testing.assert_allclose(kernel[1:, 1:], published_kernel(5), atol=1e-6)
    assert not kernel[0].any() and not kernel[:, 0].any()


@pytest.mark.parametrize("step, sides", [(2, (5, 7)), (3, (7, 8)), (8, (33, 40)), (32, (45, 97))])
def test_fixed_equals_learned_at_first_up_to_the_border(step, sides):
    shape = [-(-side // step) for side in sides]
    x = np.random.default_rng(0).normal(size=(2, *shape, 3)).astype("float32")
    like = np.zeros((2, *sides, 1), "float32")
    learned = numpy_of(BilinearConv2DTranspose(step)(x, like))
    fixed = BilinearConv2DTranspose(step, learned=False)
    np.testing.assert_allclose(numpy_of(fixed(x, like)), learned, atol=5e-6)
    assert learned.shape == (2, *sides, 3)
    assert fixed.weights == []


@pytest.mark.parametrize("learned", [True, False])
def test_constant_stays_constant_up_to_the_border(learned):
    x = np.full((1, 3, 4, 2), 7.0, "float32")
    y = BilinearConv2DTranspose(8, learned=learned)(x)
    np.testing.assert_allclose(numpy_of(y), 7.0, rtol=1e-6)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("step, sides", [(4, (21, 30)), (32, (97, 65))])
def test_output_lies_on_the_input_at_odd_sizes(step, sides, learned):
    """The middle of each coarse cell, in fine cells, comes out where it is."""
    height, width = (-(-side // step) for side in sides)
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    middles = (np.stack([y, x], -1) + 0.5).astype("float32")[None] * step
    like = np.zeros((1, *sides, 3), "float32")
    got = numpy_of(BilinearConv2DTranspose(step, learned=learned)(middles, like))[0]
    rows, columns = np.meshgrid(np.arange(sides[0]), np.arange(sides[1]), indexing="ij")
    expected = np.stack([rows, columns], -1) + 0.5
    inside = slice(step // 2, -step)
    np.testing.assert_allclose(got[inside, inside], expected[inside, inside], atol=1e-4)


def test_alone_as_in_a_batch():
    x = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")
    layer = BilinearConv2DTranspose(4)
    together = numpy_of(layer(x))
    for index in range(3):
        alone = numpy_of(layer(x[index : index + 1]))[0]
        np.testing.assert_allclose(alone, together[index], atol=1e-6)


def test_gradients_by_finite_differences():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = tf.Variable(rng.normal(size=(1, 2, 3, 2)).astype("float32"))
    layer = BilinearConv2DTranspose(2)
    weights = rng.normal(size=(1, 4, 6, 2)).astype("float32")
    with tf.GradientTape() as tape:
        value = ops.sum(layer(x) * weights)
    slopes = tape.gradient(value, [x, layer.kernel.value])
    for variable, slope in zip((x, layer.kernel), slopes, strict=True):
        start = np.array(variable)
        for place in list(np.ndindex(start.shape))[::5]:
            values = []
            for step in (0.5, -0.5):  # it is linear in each
                moved = start.copy()
                moved[place] += step
                variable.assign(moved)
                values.append(float(ops.sum(layer(x) * weights)))
            variable.assign(start)
            assert slope.numpy()[place] == pytest.approx(values[0] - values[1], abs=2e-5)


def test_symbolic_shape_saving_and_half_precision(tmp_path):
    coarse, fine = keras.Input((None, None, 2)), keras.Input((None, None, 3))
    model = keras.Model([coarse, fine], BilinearConv2DTranspose(8, name="up")(coarse, fine))
    assert model.output.shape == (None, None, None, 2)
    rng = np.random.default_rng(0)
    model.get_layer("up").set_weights([rng.normal(size=(16, 16, 2))])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [rng.normal(size=(1, 2, 2, 2)), np.zeros((1, 9, 16, 3))]
    np.testing.assert_array_equal(numpy_of(again(inputs)), numpy_of(model(inputs)))
    half = BilinearConv2DTranspose(2, dtype="mixed_float16")(np.ones((1, 2, 2, 1), "float16"))
    assert keras.backend.standardize_dtype(half.dtype) == "float16"


def test_errors():
    with pytest.raises(ValueError, match="`strides` must be an integer of at least 2.*=1"):
        BilinearConv2DTranspose(1)
    x, like = np.zeros((1, 2, 2, 1), "float32"), np.zeros((1, 17, 16, 1), "float32")
    with pytest.raises(ValueError, match="sides from 9 x 9 to 16 x 16.*height=17, width=16"):
        BilinearConv2DTranspose(8)(x, like)
