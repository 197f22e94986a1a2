"""ONNX artefacts: the same detections; own float16 pass; int8 where TensorRT takes it."""

import json
from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from keras_struct_edge import load
from keras_struct_export import ExportError, export, onnx_model
from keras_struct_export.onnx_float16 import to_float16
from keras_struct_export.onnx_graph import all_nodes, decoder_nodes


def graph_of(report):
    return onnx.load(report.path).graph


def test_float32_gives_the_same_detections(exported):
    report = exported("onnx", "float32")
    assert report.comparison.compared >= 80 and report.comparison.agreement == 1.0
    # measured: 4e-6 px, 3e-7
    assert report.max_box_error <= 2e-5 and report.max_score_error <= 2e-6
    assert report.operators == len(graph_of(report).node) and report.runtime == "onnxruntime"


def test_results_are_named_and_the_card_lies_in_the_file(exported, toy):
    model = onnx.load(exported("onnx", "float32").path)
    assert [value.name for value in model.graph.input] == ["images"]
    assert {value.name for value in model.graph.output} == set(toy.card()["results"])
    assert {entry.version for entry in model.opset_import if not entry.domain} == {17}
    (entry,) = model.metadata_props
    card = json.loads(entry.value)
    assert entry.key == "keras_struct_card" and {**card, **toy.card()} == card
    assert (card["target"], card["precision"], card["batch_size"]) == ("onnx", "float32", 1)


def test_float16_network_float32_decoder(exported):
    report = exported("onnx", "float16", batch_size=None)
    assert report.comparison.agreement == 1.0
    assert report.max_box_error <= 3e-3 and report.max_score_error <= 2e-3
    graph = graph_of(report)
    weights = {t.name: t.data_type for t in graph.initializer}
    kernels = [weights[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    assert kernels == [TensorProto.FLOAT16] * 7
    decoder = [graph.node[index] for index in decoder_nodes(graph)]
    assert len(decoder) > 20
    named = {name for node in decoder for name in (*node.input, *node.output)}
    assert TensorProto.FLOAT16 not in {weights[name] for name in named & set(weights)}
    kinds = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
    assert kinds == {TensorProto.FLOAT, TensorProto.INT32}


def test_any_batch_size(exported, images):
    predictor = load(exported("onnx", "float16", batch_size=None).path)
    together = predictor.run(images[:3])
    for index in range(3):
        alone = predictor.run(images[index : index + 1])
        np.testing.assert_array_equal(alone["labels"][0], together["labels"][index])
        np.testing.assert_allclose(alone["scores"][0], together["scores"][index], atol=2e-3)


def test_int8_network(exported):
    report = exported("onnx", "int8")
    graph = graph_of(report)
    kinds = Counter(node.op_type for node in all_nodes(graph))
    assert kinds["QuantizeLinear"] >= 6
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "Conv":
            assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
    weights = {tensor.name: tensor for tensor in graph.initializer}
    zeros = [n.input[2] for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert {weights[name].data_type for name in zeros} == {TensorProto.INT8}
    assert not any(numpy_helper.to_array(weights[name]).any() for name in zeros)
    assert not any(
        graph.node[i].op_type.lower().endswith("quantizelinear") for i in decoder_nodes(graph)
    )


def small_graph():
    """Scale, a tiny weight and a huge one, then a "decoder" that shares the weight and a loop."""
    weight = numpy_helper.from_array(np.array([1e-9, 1e6, 0.0, -2.0], "float32"), "weight")
    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "y"], ["next"], name="inner"),
            helper.make_node("Identity", ["going"], ["still"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 4]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 4]),
        ],
    )
    nodes = [
        helper.make_node("Mul", ["x", "weight"], ["y"], name="network/mul"),
        helper.make_node("Mul", ["y", "weight"], ["z"], name="model/decoder_1/mul"),
        helper.make_node("Loop", ["count", "", "z"], ["out"], name="", body=body),
        helper.make_node("Relu", ["y"], ["raw"], name="network/relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in ("out", "raw")],
        [weight, numpy_helper.from_array(np.array(3, "int64"), "count")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_float16_pass_keeps_decoder_loops_borders_and_range():
    import onnxruntime

    model = to_float16(small_graph())
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.array([[4.0, 0.001, 2.0, 3.0]], "float32")
    out, raw = session.run(["out", "raw"], {"x": x})
    half = np.array([5.9604645e-8, 65504, 0, -2], "float32")
    y = (x.astype("float16") * half.astype("float16")).astype("float32")
    np.testing.assert_allclose(raw, np.maximum(y, 0), rtol=1e-3)
    full = np.array([1e-9, 1e6, 0, -2], "float32")
    np.testing.assert_allclose(out, y * full + 3 * y, rtol=1e-3)
    weights = {t.name: t.data_type for t in model.graph.initializer}
    assert weights == {
        "weight": TensorProto.FLOAT,
        "count": TensorProto.INT64,
        "weight__float16": TensorProto.FLOAT16,
    }


def test_decoder_is_found_by_name_and_by_position():
    graph = small_graph().graph
    assert decoder_nodes(graph) == {1, 2}


def test_a_converter_that_fails_is_named(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model, "OPSET", 99)
    with pytest.raises(ExportError, match="tf2onnx cannot convert this model: .*99"):
        export(toy, tmp_path / "a.onnx", decoder=False, progress=None)


def test_an_invalid_graph_is_named(toy, tmp_path, monkeypatch):
    def broken(graph):
        model = small_graph()
        model.graph.node[0].input[0] = "nowhere"
        return model

    monkeypatch.setattr(onnx_model, "_translate", broken)
    with pytest.raises(ExportError, match="ONNX graph made from this model is invalid.*nowhere"):
        export(toy, tmp_path / "a.onnx", decoder=False, progress=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_quantiser_errors_are_ours(toy, images, tmp_path, monkeypatch, suffix):
    def fail(*arguments, **options):
        raise RuntimeError("no range for tensor seven")

    monkeypatch.setattr("onnxruntime.quantization.quantize_static", fail)
    monkeypatch.setattr("ai_edge_quantizer.quantizer.Quantizer.quantize", fail)
    with pytest.raises(ExportError, match="cannot quantise this model: no range for tensor seven"):
        export(toy, tmp_path / f"a{suffix}", None, "int8", images, decoder=False, progress=None)
