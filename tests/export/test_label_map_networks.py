"""FCN and DeconvNet in artefacts: the labels of Keras, on all targets and in all precisions."""

import importlib.util
from collections import Counter

import keras
import numpy as np
import pytest

from keras_struct.models import FCN, DeconvNet
from keras_struct_export import export, litert_file
from keras_struct_export.samples import synthetic_images

SIZE = (64, 96)
CLASSES = 3


def images(count=8):
    return synthetic_images(count, {"height": SIZE[0], "width": SIZE[1], "channels": 3})


def randomize(model, names):
    """Scores that differ from place to place, on features as they are in training."""
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        if layer.name in names:
            layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    model(images(), training=True)
    return model


def make_fcn():
    keras.utils.set_random_seed(0)
    # Levels beyond P3 of a network that was not trained are noise, which int8 cannot follow.
    model = FCN("mobilenet_v2_035", CLASSES, SIZE, learn_upsampling=True)
    return randomize(model, {"score_p3"})


def make_deconvnet():
    """Hands red, green and blue on through all layers, so that labels hang on the switches."""
    model = DeconvNet(CLASSES, SIZE, width=0.125, fc_units=16)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
            kernel, *bias = (np.zeros(weight.shape) for weight in layer.get_weights())
            if layer.name.startswith("deconv"):  # spread what unpooling puts down
                kernel += 0.5 * np.eye(*kernel.shape[2:])
            else:
                middle = tuple(side // 2 for side in layer.kernel_size)
                kernel[middle] += np.eye(*kernel.shape[2:])
            layer.set_weights([kernel, *bias])
    return model


MAKERS = {"fcn": make_fcn, "deconvnet": make_deconvnet}


@pytest.fixture(scope="module")
def models():
    return {name: make() for name, make in MAKERS.items()}


def test_the_labels_that_are_compared_differ(models):
    for model in models.values():
        labels = np.asarray(model.with_decoder()(images())["segmentation"])
        assert (np.bincount(labels.ravel(), minlength=CLASSES) > 0.01 * labels.size).all()


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "suffix, precision, agreement",
    [(".tflite", "float32", 0.999), (".onnx", "float32", 0.999), (".tflite", "int8", 0.85)],
)
def test_labels_are_those_of_keras(models, tmp_path, name, suffix, precision, agreement):
    calibration = images() if precision == "int8" else None
    path = tmp_path / f"a{suffix}"
    options = {"samples": images(), "progress": None}
    report = export(models[name], path, None, precision, calibration, **options)
    # measured: 1; in int8 0.947 (fcn) and 0.908 (deconvnet)
    assert report.comparison.agreement >= agreement
    if precision == "int8":
        operators = litert_file.operators(litert_file.parse(path.read_bytes()))
        kinds = Counter((operator.kind, operator.dtypes[0]) for operator in operators)
        kernels = {kind for kind, dtype in kinds if "CONV" in kind and dtype != "INT8"}
        assert not kernels
        assert kinds["CONV_2D", "INT8"] >= 29


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed"
)
@pytest.mark.parametrize("name, precision", [("fcn", "float16"), ("deconvnet", "int8")])
def test_tensorrt_builds_an_engine(models, tmp_path, name, precision):
    calibration = images() if precision == "int8" else None
    options = {"samples": images(), "progress": None}
    path = tmp_path / "a.engine"
    report = export(models[name], path, None, precision, calibration, **options)
    # measured: 0.998 (fcn), 0.858 (deconvnet)
    assert report.size > 100_000 and report.comparison.agreement > 0.8
