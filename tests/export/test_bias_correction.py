"""Bias correction and calibration: int8 files whose outputs do not lean to one side."""

import keras
import numpy as np
import pytest

from keras_struct_edge import load
from keras_struct_export import Tolerance, export, litert_bias, onnx_bias
from keras_struct_export.verify import run_model

ANY = Tolerance(box=np.inf, score=np.inf, agreement=0.0, dense=np.inf)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_shift_of_a_depthwise_kernel_is_that_of_a_convolution(multiplier):
    rng = np.random.default_rng(multiplier)
    mean, error = rng.normal(size=4), rng.normal(size=(1, 3, 3, 4 * multiplier))
    layer = keras.layers.DepthwiseConv2D(3, depth_multiplier=multiplier, use_bias=False)
    layer.build((None, 5, 5, 4))
    layer.set_weights([error.reshape(3, 3, 4, multiplier)])
    expected = layer(np.broadcast_to(mean, (1, 5, 5, 4)).astype("float32"))[0, 0, 0]
    shift = litert_bias.mean_shift("DEPTHWISE_CONV_2D", error, mean)
    np.testing.assert_allclose(shift, expected, rtol=1e-4, atol=1e-5)


def test_shift_of_a_kernel_is_that_of_a_convolution():
    rng = np.random.default_rng(0)
    mean, error = rng.normal(size=4), rng.normal(size=(6, 3, 3, 4))
    layer = keras.layers.Conv2D(6, 3, use_bias=False)
    layer.build((None, 5, 5, 4))
    layer.set_weights([error.transpose(1, 2, 3, 0)])
    expected = layer(np.broadcast_to(mean, (1, 5, 5, 4)).astype("float32"))[0, 0, 0]
    shift = litert_bias.mean_shift("CONV_2D", error, mean)
    np.testing.assert_allclose(shift, expected, rtol=1e-4, atol=1e-5)
    dense = litert_bias.mean_shift("FULLY_CONNECTED", error[:, 0, 0], mean)
    np.testing.assert_allclose(dense, error[:, 0, 0] @ mean)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_shift_in_the_layout_of_onnx(groups):
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(groups)
    mean = rng.normal(size=4)
    error = rng.normal(size=(8, 4 // groups, 3, 3))
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], group=groups)
    expected = [
        error[o].sum((1, 2)) @ mean.reshape(groups, -1)[o // (8 // groups)] for o in range(8)
    ]
    np.testing.assert_allclose(onnx_bias.mean_shift(error, mean, node), expected)
    node = onnx.helper.make_node("ConvTranspose", ["x", "w"], ["y"], group=groups, strides=[2, 2])
    error = rng.normal(size=(4, 3, 4, 4))
    found = onnx_bias.mean_shift(error, mean, node)
    inputs = 4 // groups
    expected = [
        sum(error[i, o].sum() * mean[i] for i in range(g * inputs, (g + 1) * inputs)) / 4
        for g in range(groups)
        for o in range(3)
    ]
    np.testing.assert_allclose(found, expected)


class Upsampler:
    """A transposed convolution of what is never negative, with all that `export` asks for."""

    def __init__(self, toy):
        keras.utils.set_random_seed(4)
        images = keras.Input((64, 64, 3), name="images")
        x = keras.layers.Rescaling(1 / 255)(images)
        x = keras.layers.Conv2D(24, 3, 4, padding="same", activation="relu")(x)
        initializer = keras.initializers.RandomNormal(0.02)
        x = keras.layers.Conv2DTranspose(
            6, 4, 2, padding="same", kernel_initializer=initializer, bias_initializer=initializer
        )(x)
        self.network, self.card = keras.Model(images, {"logits": x}), toy.card
        self.layers, self._flatten_layers = self.network.layers, self.network._flatten_layers

    def __call__(self, images, training=False):
        return self.network(images, training=training)


def lean(toy, path, images):
    """Mean error of each output channel of the raw network, largest first."""
    target = "onnx" if path.suffix == ".onnx" else "litert"
    export(toy, path, target, "int8", images, decoder=False, tolerance=ANY, progress=None)
    predictor, expected = load(path), run_model(toy, images)
    found = [predictor.run(images[i : i + 1]) for i in range(len(images))]
    return np.concatenate(
        [
            np.mean(
                np.concatenate([f[name] for f in found]) - value, axis=tuple(range(value.ndim - 1))
            )
            for name, value in expected.items()
        ]
    )


@pytest.mark.parametrize(("wrap", "share"), [(lambda toy: toy, 0.6), (Upsampler, 0.2)])
def test_corrected_outputs_lean_less(toy, images, tmp_path, monkeypatch, wrap, share):
    model = wrap(toy)
    corrected = lean(model, tmp_path / "a.tflite", images)
    monkeypatch.setattr(litert_bias, "correct", lambda content, quantized, *others: quantized)
    plain = lean(model, tmp_path / "b.tflite", images)
    assert np.abs(corrected).mean() < share * np.abs(plain).mean()


def test_corrected_onnx_outputs_lean_less(toy, images, tmp_path, monkeypatch):
    model = Upsampler(toy)
    corrected = lean(model, tmp_path / "a.onnx", images)
    monkeypatch.setattr(onnx_bias, "correct", lambda *arguments: None)
    plain = lean(model, tmp_path / "b.onnx", images)
    assert np.abs(corrected).mean() < 0.7 * np.abs(plain).mean()
