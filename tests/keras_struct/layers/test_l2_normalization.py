import keras
import numpy as np
import pytest
from keras import ops

from keras_struct.layers import L2Normalization

pytestmark = pytest.mark.agnostic


def test_every_position_gets_the_length_of_the_scale():
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 8)).astype("float32") * 100
    y = ops.convert_to_numpy(L2Normalization(20.0)(x))
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 20.0, rtol=1e-5)
    np.testing.assert_allclose(y, 20 * x / np.linalg.norm(x, axis=-1, keepdims=True), rtol=1e-5)


def test_scale_is_learned_per_channel():
    layer = L2Normalization()
    layer.build((None, 3, 3, 8))
    assert [weight.shape for weight in layer.trainable_weights] == [(8,)]


def test_zero_features_stay_zero_and_large_ones_do_not_overflow_in_float16():
    layer = L2Normalization(dtype="mixed_float16")
    x = np.stack([np.zeros(8), np.full(8, 1000.0)]).astype("float16")[None, None]
    y = ops.convert_to_numpy(ops.cast(layer(x), "float32"))
    np.testing.assert_array_equal(y[0, 0, 0], 0.0)
    np.testing.assert_allclose(y[0, 0, 1], 20 / np.sqrt(8), rtol=1e-2)


def test_config_round_trip():
    layer = L2Normalization(7.0, name="norm")
    again = L2Normalization.from_config(layer.get_config())
    assert again.initial_scale == 7.0 and again.name == "norm"


def test_scale_must_be_positive():
    with pytest.raises(ValueError, match="`initial_scale` must be positive. Received: .*=0"):
        L2Normalization(0)


def test_loads_without_custom_objects(tmp_path):
    model = keras.Sequential([keras.Input((2, 2, 3)), L2Normalization()])
    model.save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras")
