"""Published networks in artefacts: the labels of Keras, on all targets and in all precisions."""

import importlib.util
from collections import Counter

import keras
import numpy as np
import pytest

from keras_struct.models import FCN, DeconvNet, DeepLab, UNet
from keras_struct_export import Tolerance, export, litert_file
from keras_struct_export.samples import synthetic_images

SIZE = (64, 96)
CLASSES = 3
ANY = Tolerance(box=np.inf, score=np.inf, agreement=0.0, dense=np.inf)


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


def make_unet():
    keras.utils.set_random_seed(0)
    return randomize(UNet("mobilenet_v2_035", CLASSES, SIZE), {"classes"})


def make_valid_unet():
    """Its artefact mirrors the image at the borders."""
    keras.utils.set_random_seed(0)
    options = {"padding": "valid", "depth": 2, "width": 8, "batch_norm": True}
    return randomize(UNet("plain", CLASSES, SIZE, **options), {"classes"})


def make_deeplab():
    keras.utils.set_random_seed(0)
    model = DeepLab("mobilenet_v2_035", CLASSES, SIZE, output_stride=8, rates=(2,), channels=32)
    return randomize(model, {"classes"})


MAKERS = {
    "fcn": make_fcn,
    "deconvnet": make_deconvnet,
    "unet": make_unet,
    "valid_unet": make_valid_unet,
    "deeplab": make_deeplab,
}


@pytest.fixture(scope="module")
def models():
    return {name: make() for name, make in MAKERS.items()}


def test_the_labels_that_are_compared_differ(models):
    for model in models.values():
        labels = np.asarray(model.with_decoder()(images())["segmentation"])
        assert (np.bincount(labels.ravel(), minlength=CLASSES) > 0.01 * labels.size).all()


# Agreement and convolutions of LiteRT int8. Measured: 0.947, 0.908, 0.807, 0.972, 0.737: features
# of deep layers that were not trained are noise.
INT8 = {
    "fcn": (0.85, 29),
    "deconvnet": (0.85, 29),
    "unet": (0.75, 29),
    "valid_unet": (0.95, 11),
    "deeplab": (0.65, 29),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_labels_are_those_of_keras(models, tmp_path, name, suffix):
    report = export(models[name], tmp_path / f"a{suffix}", samples=images(), progress=None)
    assert report.comparison.agreement >= 0.999  # measured: 1


@pytest.mark.parametrize("name", MAKERS)
def test_int8_reaches_every_convolution(models, tmp_path, name):
    path = tmp_path / "a.tflite"
    options = {"calibration": images(), "tolerance": ANY, "progress": None}
    report = export(models[name], path, precision="int8", **options)
    agreement, convolutions = INT8[name]
    assert report.comparison.agreement >= agreement
    operators = litert_file.operators(litert_file.parse(path.read_bytes()))
    kinds = Counter((operator.kind, operator.dtypes[0]) for operator in operators)
    kernels = {kind for kind, dtype in kinds if "CONV" in kind and dtype != "INT8"}
    assert not kernels
    assert kinds["CONV_2D", "INT8"] >= convolutions


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed"
)
@pytest.mark.parametrize(
    "name, precision, agreement",
    [  # measured: 0.998, 0.858, 0.976, 0.999, 0.660
        ("fcn", "float16", 0.99),
        ("deconvnet", "int8", 0.8),
        ("unet", "float16", 0.95),
        ("valid_unet", "float16", 0.99),
        ("deeplab", "int8", 0.6),
    ],
)
def test_tensorrt_builds_an_engine(models, tmp_path, name, precision, agreement):
    calibration = images() if precision == "int8" else None
    options = {"samples": images(), "progress": None, "tolerance": ANY}
    path = tmp_path / "a.engine"
    report = export(models[name], path, None, precision, calibration, **options)
    assert report.size > 100_000 and report.comparison.agreement > agreement
