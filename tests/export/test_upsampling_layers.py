"""The upsampling layers in artefacts: the same numbers, in operators that all targets have."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers
from raw_network import RawNetwork

from keras_struct.layers import (
    BedOfNails,
    BilinearConv2DTranspose,
    MaxPoolingWithSwitches,
    MaxUnpooling,
    ResizeTo,
)
from keras_struct_edge import load
from keras_struct_export import export

HEIGHT, WIDTH = 21, 30


class Network(RawNetwork):
    """All layers one after the other, at sizes that two does not divide."""

    def __init__(self):
        keras.utils.set_random_seed(0)
        images = keras.Input((HEIGHT, WIDTH, 3), name="images")
        x = layers.Rescaling(1 / 255)(images)
        values, positions = MaxPoolingWithSwitches()(x)
        coarse, places = MaxPoolingWithSwitches(3)(layers.Conv2D(4, 3, padding="same")(values))
        unpooled = MaxUnpooling(3)(coarse, places, values)
        learned = BilinearConv2DTranspose(3)(layers.Conv2D(3, 1)(coarse), values)
        outputs = {
            "unpooled": MaxUnpooling()(layers.Conv2D(3, 3, padding="same")(unpooled), positions, x),
            "nails": BedOfNails()(learned, x),
            "learned": BilinearConv2DTranspose(2)(learned, x),
            "fixed": BilinearConv2DTranspose(2, learned=False)(learned, x),
            "nearest": ResizeTo("nearest")(coarse, x),
            "bilinear": ResizeTo("bilinear")(coarse, x),
        }
        super().__init__(keras.Model(images, outputs), ["unpooled"])


@pytest.fixture(scope="module")
def network():
    return Network()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 4, (3, HEIGHT, WIDTH, 3)).astype("float32") * 60


@pytest.mark.parametrize(("suffix", "batch_size"), [(".tflite", None), (".onnx", 1)])
def test_artefacts_give_the_numbers_of_keras(network, images, tmp_path, suffix, batch_size):
    path = tmp_path / f"a{suffix}"
    options = {"batch_size": batch_size, "samples": images, "decoder": False, "progress": None}
    export(network, path, **options)
    count = batch_size or 3
    results = load(path).run(images[:count])
    for name, value in network(images[:count]).items():
        # measured: 3e-7
        np.testing.assert_allclose(results[name], np.asarray(value), atol=2e-6, err_msg=name)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed"
)
def test_tensorrt_builds_an_engine(network, images, tmp_path):
    """Of any batch size, so that its ONNX graph is compared at one too."""
    options = {"batch_size": None, "samples": images, "decoder": False, "progress": None}
    report = export(network, tmp_path / "a.engine", **options)
    assert report.size > 10_000
