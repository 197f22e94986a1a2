"""Region features in artefacts: the same numbers, in operators that all targets have."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers, ops
from raw_network import RawNetwork

from keras_struct.layers import (
    PositionSensitiveRoIAlign,
    PositionSensitiveRoIPool,
    RegionWarp,
    RoIAlign,
    RoIPool,
    SpatialPyramidPooling,
)
from keras_struct_edge import load
from keras_struct_export import export

SIZE, CHANNELS = 64, 8
LAYERS = {
    "align": RoIAlign(3, canonical_size=20, canonical_level=3),
    "pool": RoIPool(3, canonical_size=20, canonical_level=3),
    "pyramid": SpatialPyramidPooling((4, 2), canonical_size=20, canonical_level=3),
    "position_sensitive_align": PositionSensitiveRoIAlign(2),
    "position_sensitive_pool": PositionSensitiveRoIPool(2),
}
BOXES = [[3, 5, 40, 60], [0, 0, 64, 64], [-9, 20, 30, 90], [20, 20, 20, 20], [70, 10, 90, 30]]
BOXES += [[8, 16, 40, 48], [31, 33, 39, 40]]


class BoxesOfImage(keras.layers.Layer):
    """Boxes that differ from image to image, as those of a network do."""

    def call(self, images):
        move = ops.mean(images[:, :4, :4], axis=(1, 2))[:, None, :1] / 32.0
        return ops.convert_to_tensor(np.float32(BOXES)) + ops.round(move)

    def compute_output_shape(self, shape):
        return (shape[0], len(BOXES), 4)


class Network(RawNetwork):
    """All layers on the same levels."""

    def __init__(self):
        keras.utils.set_random_seed(0)
        images = keras.Input((SIZE, SIZE, 3), name="images")
        boxes = BoxesOfImage()(images)
        x = layers.Rescaling(1 / 255)(images)
        levels = {}
        for number in range(1, 4):
            x = layers.Conv2D(CHANNELS, 3, 2, padding="same")(x)
            levels[f"P{number}"] = x
        del levels["P1"]
        outputs = {name: layer(levels, boxes) for name, layer in LAYERS.items()}
        outputs["one_level"] = RoIPool(2)({"P3": levels["P3"]}, boxes)
        outputs["warp"] = RegionWarp(8, 1)({"P0": images}, boxes)
        super().__init__(keras.Model(images, outputs), ["align"])


@pytest.fixture(scope="module")
def network():
    return Network()


@pytest.fixture(scope="module")
def images():
    values = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype("float32")
    values[:, :4, :4] = np.float32([0, 96, 224])[:, None, None, None]
    return values


@pytest.mark.parametrize(("suffix", "batch_size"), [(".tflite", None), (".onnx", 1)])
def test_artefacts_give_the_numbers_of_keras(network, images, tmp_path, suffix, batch_size):
    path = tmp_path / f"a{suffix}"
    options = {"batch_size": batch_size, "samples": images, "decoder": False, "progress": None}
    export(network, path, **options)
    count = batch_size or 3
    results = load(path).run(images[:count])
    for name, value in network(images[:count]).items():
        scale = 255 if name == "warp" else 1
        value = np.asarray(value)
        assert np.abs(value).max() > 0.1 * scale
        np.testing.assert_allclose(results[name], value, atol=2e-6 * scale, err_msg=name)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed"
)
def test_tensorrt_builds_an_engine(network, images, tmp_path):
    options = {"batch_size": None, "samples": images, "decoder": False, "progress": None}
    report = export(network, tmp_path / "a.engine", **options)
    assert report.size > 10_000
