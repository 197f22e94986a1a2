"""The CRF inside artefacts: filters without gather or scatter, in float32 under any precision."""

import importlib.util

import keras
import numpy as np
import pytest
from toy_labelling import GreyLabels

from keras_struct.layers import DenseCRF
from keras_struct.models import CRFasRNN
from keras_struct_edge import load
from keras_struct_export import export
from keras_struct_export.verify import run_model

SIZE, CLASSES = (48, 64), 4
FILTERS = {
    "grid": {"filter": "grid"},
    "local": {"filter": "local", "filter_options": {"radius": 1, "dilation": 3}},
}
needs_tensorrt = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed"
)


def photos(count=3):
    """Soft colours with edges and noise, so that labels are in doubt and the CRF decides."""
    rng = np.random.default_rng(0)
    y, x = np.indices(SIZE) / SIZE[0]
    photos = []
    for phase in range(count):
        wave = 60 + 50 * np.sin(5 * x + phase) * np.cos(4 * y) + 40 * (x + y > 1.2)
        photos.append(wave[..., None] + rng.normal(0, 25, (*SIZE, 3)))
    return np.stack(photos).clip(0, 255).astype("float32")


def crf(name):
    return DenseCRF(
        bilateral_sxy=8.0, bilateral_srgb=30.0, iterations=5, name="crf", **FILTERS[name]
    )


@pytest.fixture(scope="module", params=FILTERS)
def model(request):
    return GreyLabels(CLASSES, SIZE, crf=crf(request.param))


def test_the_crf_changes_labels(model):
    """Otherwise agreement below would say nothing about it."""
    before = run_model(model.with_decoder(crf=None), photos())["segmentation"]
    after = run_model(model.with_decoder(), photos())["segmentation"]
    assert 0.02 < (before != after).mean() < 0.5
    assert len(np.unique(after)) >= 3


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_labels_and_probabilities_agree(model, suffix, tmp_path):
    path = tmp_path / f"labels{suffix}"
    options = {"probabilities": True}
    report = export(model, path, samples=photos(), decoder_options=options, progress=None)
    assert report.comparison.agreement >= 0.999
    found = load(path).run(photos()[:1])
    expected = run_model(model.with_decoder(**options), photos()[:1])
    assert (found["segmentation"] == expected["segmentation"]).mean() >= 0.999
    # measured: 2.3e-5
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=7e-5)


@needs_tensorrt
def test_an_engine_is_built(model, tmp_path):
    report = export(model, tmp_path / "labels.engine", samples=photos(), progress=None)
    assert report.size > 0 and report.comparison.agreement >= 0.999


@pytest.mark.parametrize(("suffix", "precision"), [(".onnx", "float16"), (".tflite", "int8")])
def test_the_crf_computes_in_float32(suffix, precision, tmp_path):
    """Labels then differ by the network's rounding alone."""
    keras.utils.set_random_seed(0)
    model = CRFasRNN(GreyLabels(CLASSES, SIZE), crf("grid"))
    report = export(
        model, tmp_path / f"labels{suffix}", None, precision, photos(), samples=photos(),
        progress=None,
    )  # fmt: skip
    assert report.comparison.agreement >= {"float16": 0.999, "int8": 0.98}[precision]
