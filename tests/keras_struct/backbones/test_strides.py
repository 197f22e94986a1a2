import numpy as np
import pytest
from keras import ops

from keras_struct import backbones


def randomize(model):
    """Weights that keep the size of the signal, and batch norms that do something."""
    rng = np.random.default_rng(0)
    for layer in model.get_layer("features").layers:
        name = type(layer).__name__
        weights = layer.get_weights()
        if name == "BatchNormalization":
            draws = [(0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5)]
            values = [rng.uniform(*d, w.shape) for d, w in zip(draws, weights, strict=True)]
        else:
            fan_in = [
                w.shape[0] * w.shape[1] * (1 if "Depth" in name else w.shape[2])
                for w in weights
                if w.ndim == 4
            ]
            values = [rng.normal(0, (2 / fan_in[0]) ** 0.5, w.shape) for w in weights]
        layer.set_weights(values)
    return model


def features(name, image_size, **options):
    image = np.random.default_rng(1).uniform(0, 255, (1, *image_size, 3)).astype("float32")
    levels = randomize(backbones.create(name, **options))(image)
    return {level: ops.convert_to_numpy(value) for level, value in levels.items()}


def assert_close(got, expected):
    assert got.shape == expected.shape and expected.std() > 0
    np.testing.assert_allclose(got / expected.std(), expected / expected.std(), atol=1e-4)


@pytest.mark.parametrize("name", ["mobilenet_v1_025", "mobilenet_v2_035"])
@pytest.mark.parametrize(
    "image_size, first",
    [((65, 97), 0), ((64, 96), 1)],
    ids=["odd: centres on even positions", "even: centres on odd positions"],
)
def test_dilated_network_holds_the_strided_one(name, image_size, first):
    strided = features(name, image_size)
    dilated = features(name, image_size, output_stride=8)
    assert dilated["P5"].shape[1:3] == dilated["P3"].shape[1:3]
    assert_close(dilated["P3"], strided["P3"])
    assert_close(dilated["P4"][:, first::2, first::2], strided["P4"])
    first += 2 * first
    assert_close(dilated["P5"][:, first::4, first::4], strided["P5"])


def test_dilated_resnet_holds_the_strided_one():
    strided = features("resnet50", (64, 33))
    dilated = features("resnet50", (64, 33), output_stride=8)
    assert_close(dilated["P5"][:, ::4, ::4], strided["P5"])


@pytest.mark.agnostic
def test_output_stride_16_halves_the_size_once_less():
    strided = features("mobilenet_v2_035", (65, 65))
    dilated = features("mobilenet_v2_035", (65, 65), output_stride=16)
    assert_close(dilated["P4"], strided["P4"])
    assert_close(dilated["P5"][:, ::2, ::2], strided["P5"])


def test_rates_follow_the_removed_strides():
    layers = backbones.create("mobilenet_v2_035", output_stride=8).get_layer("features")
    rates = [layers.get_layer(f"block_{i}_depthwise").dilation_rate for i in (5, 6, 7, 12, 13, 14)]
    assert rates == [(1, 1), (1, 1), (2, 2), (2, 2), (2, 2), (4, 4)]


def test_squeeze_and_excitation_network_is_dilated_too():
    levels = backbones.create("mobilenet_v3_small", (64, 64), output_stride=8).output
    assert [levels[f"P{i}"].shape[1] for i in (3, 4, 5)] == [8, 8, 8]


def test_unknown_output_stride():
    with pytest.raises(ValueError, match=r"`output_stride` must be None or one of \(8, 16\)"):
        backbones.create("mobilenet_v2_035", output_stride=4)
