"""TensorRT engines, built for real where `tensorrt_rtx` is; run only where a GPU is."""

import importlib.util
import json
from collections import Counter

import pytest

from keras_struct_export import ExportError, export, tensorrt_engine

needs_tensorrt = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed"
)


def layer_types(exported, precision):
    """(layer, type of its output) of the network an engine is built from."""
    import tensorrt_rtx as trt

    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(exported("onnx", precision).path.read_bytes())
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return Counter((x.type.name, x.get_output(0).dtype.name) for x in layers if x.num_outputs)


@needs_tensorrt
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_engine_and_card(exported, precision):
    # a free batch in one of the three: it also needs an optimisation profile
    report = exported("tensorrt", precision, batch_size=None if precision == "float16" else 1)
    assert report.size > 50_000 and report.path.read_bytes() != b""
    card = json.loads(report.path.with_name(report.path.name + ".json").read_text("utf-8"))
    assert card["runtime"] == report.runtime and card["target"] == "tensorrt"
    assert card["precision"] == precision and card["class_names"] == ["red", "green", "blué"]
    assert ("batch_limit" in card) == (precision == "float16")
    assert report.comparison.compared >= 80
    assert report.operators > 50
    if not tensorrt_engine.has_gpu():
        assert report.runtime == "tensorrt_rtx" and report.verified == "onnx"


@needs_tensorrt
def test_float16_convolves_in_half_and_decodes_in_float(exported):
    types = layer_types(exported, "float16")
    assert types["CONVOLUTION", "HALF"] == 7 and not types["CONVOLUTION", "FLOAT"]
    assert types["TOPK", "FLOAT"] >= 1 and not types["TOPK", "HALF"]


@needs_tensorrt
def test_int8_quantises_every_convolution(exported):
    types = layer_types(exported, "int8")
    assert types["QUANTIZE", "INT8"] >= 6
    assert sum(n for (kind, _), n in types.items() if kind == "DEQUANTIZE") >= 13


@needs_tensorrt
def test_parser_errors_are_reported(toy, tmp_path, monkeypatch):
    build = tensorrt_engine.onnx_model.build

    def broken(request):
        artefact = build(request)
        return type(artefact)({"": artefact.files[""][:200]}, 0, "onnxruntime")

    monkeypatch.setattr(tensorrt_engine.onnx_model, "build", broken)
    with pytest.raises(ExportError, match="TensorRT cannot parse the ONNX graph: .+"):
        export(toy, tmp_path / "a.engine", decoder=False, progress=None)
    assert list(tmp_path.iterdir()) == []


@needs_tensorrt
def test_a_build_that_fails_is_reported(toy, tmp_path, monkeypatch):
    import tensorrt_rtx as trt

    monkeypatch.setattr(trt.Builder, "build_serialized_network", lambda *arguments: None)
    with pytest.raises(ExportError, match="could not build an engine.*trtexec"):
        export(toy, tmp_path / "a.engine", decoder=False, progress=None)


def test_runtime_by_machine(monkeypatch):
    def only(*names):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: object() if name in names else None
        )

    monkeypatch.setattr(tensorrt_engine, "has_gpu", lambda: True)
    only("tensorrt", "tensorrt_rtx")
    assert tensorrt_engine.choose_runtime() == "tensorrt"
    only("tensorrt_rtx")
    assert tensorrt_engine.choose_runtime() == "tensorrt_rtx"
    monkeypatch.setattr(tensorrt_engine, "has_gpu", lambda: False)
    only("tensorrt", "tensorrt_rtx")
    assert tensorrt_engine.choose_runtime() == "tensorrt_rtx"
    only("tensorrt")
    with pytest.raises(ImportError, match="only tensorrt_rtx builds engines"):
        tensorrt_engine.choose_runtime()


def test_missing_package_is_named_with_its_extra(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt_engine, "has_gpu", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs tensorrt_rtx.*keras-struct-export\[tensorrt\]"):
        export(toy, tmp_path / "a.engine", decoder=False, progress=None)
