"""LiteRT artefacts: the same detections, built-in operators, really int8 inside."""

import json
from collections import Counter

import keras
import numpy as np
import pytest

from keras_struct_edge import load
from keras_struct_export import ExportError, export, litert_file
from keras_struct_export.verify import run_model


@keras.saving.register_keras_serializable("test")
class Unsupported(keras.layers.Layer):
    """Calls an operator that LiteRT has in its Flex delegate only."""

    def call(self, x):
        import tensorflow as tf

        bits = tf.bitwise.bitwise_and(tf.bitcast(x, tf.int32), 0x7FFFFFFF)
        return tf.bitcast(bits, tf.float32)

    def compute_output_shape(self, shape):
        return shape


def network_types(path):
    found = Counter()
    for operator in litert_file.network_operators(litert_file.parse(path.read_bytes())):
        found[operator.kind, operator.dtypes[0]] += 1
    return found


def test_float32_gives_the_same_detections(exported):
    report = exported("litert", "float32")
    assert report.comparison.compared >= 80
    assert report.comparison.agreement == 1.0
    # measured: 4e-6 px, 4e-7
    assert report.max_box_error <= 2e-5 and report.max_score_error <= 2e-6
    assert report.size == report.path.stat().st_size
    assert report.operators == len(litert_file.operators(parsed(report)))
    assert report.verified == "artefact" and report.seconds > 0


def parsed(report):
    return litert_file.parse(report.path.read_bytes())


def test_float16_halves_the_weights(exported):
    report, network = exported("litert", "float16"), exported("litert", "float16", decoder=False)
    assert report.comparison.agreement == 1.0
    assert report.max_box_error <= 3e-3 and report.max_score_error <= 2e-3
    assert network.size < 0.75 * exported("litert", "float32", decoder=False).size


def test_int8_computes_the_network_in_int8(exported):
    report = exported("litert", "int8")
    types = network_types(report.path)
    assert types["CONV_2D", "INT8"] == 6 and types["DEPTHWISE_CONV_2D", "INT8"] == 1
    # the residual: without it int8 the network would fall apart in pieces
    assert types["ADD", "INT8"] == 1
    assert types["RESHAPE", "INT8"] == 2
    # pixels are scaled in float, so that they are rounded only once
    floats = {kind: n for (kind, dtype), n in types.items() if dtype == "FLOAT32"}
    assert floats == {"MUL": 1, "ADD": 1, "DEQUANTIZE": floats["DEQUANTIZE"]}
    assert types["QUANTIZE", "INT8"] == 1


def test_int8_decodes_in_float(exported):
    operators = litert_file.operators(parsed(exported("litert", "int8")))
    decoder = [op for op in operators if any("decoder" in name for name in op.outputs)]
    assert len(decoder) > 20
    assert {dtype for op in decoder for dtype in op.dtypes} <= {"FLOAT32", "INT32", "BOOL", "INT64"}


def test_int8_input_and_results_are_float(exported, images):
    for decoder in (True, False):
        report = exported("litert", "int8", decoder=decoder)
        results = load(report.path).run(images[:1])
        expected = {"labels": "int32", "num_detections": "int32"}
        for name, value in results.items():
            assert value.dtype == expected.get(name, "float32"), name


def test_any_batch_size(exported, toy, images):
    report = exported("litert", "float32", batch_size=None)
    predictor = load(report.path)
    expected = run_model(toy.with_decoder(), images[:3])
    for count in (1, 3, 2):
        results = predictor.run(images[:count])
        for name, value in expected.items():
            np.testing.assert_allclose(results[name], value[:count], atol=2e-5, err_msg=name)


def test_the_card_lies_in_the_file(exported, toy):
    card = load(exported("litert", "int8").path).card
    assert {**card, **toy.card()} == card
    assert (card["target"], card["precision"], card["batch_size"]) == ("litert", "int8", 1)
    assert card["versions"]["keras"] == keras.__version__
    assert set(card["versions"]) >= {"keras_struct", "keras_struct_export", "tensorflow"}
    assert json.loads(json.dumps(card)) == card


def test_the_raw_network_has_raw_results(exported, toy, images):
    report = exported("litert", "float32", decoder=False)
    predictor = load(report.path)
    assert predictor.card["task"] == "raw"
    assert predictor.card["results"] == ["box_deltas", "class_logits"]
    for name, value in run_model(toy, images[:1]).items():
        np.testing.assert_allclose(predictor.run(images[:1])[name], value, atol=3e-5)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_a_foreign_operator_is_an_error_with_the_layers_name(toy_class, tmp_path, suffix):
    model = toy_class(Unsupported(name="strange"))
    with pytest.raises(ExportError, match=r"Received: .*BitwiseAnd \(layer 'strange'\)"):
        export(model, tmp_path / f"a{suffix}", decoder=False, progress=None)
    assert list(tmp_path.iterdir()) == []


def test_weights_behind_the_flatbuffer_survive_the_card():
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, weights = schema.ModelT(), np.arange(64, dtype="uint8").tobytes()
    buffer = schema.BufferT()
    buffer.offset, buffer.size = 1 << 20, len(weights)
    model.buffers = [schema.BufferT(), buffer]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    content = bytes(builder.Output()).ljust(1 << 20, b"\0") + weights
    kept = litert_file.parse(litert_file.with_card(content, b"{}"))
    assert bytes(kept.buffers[1].data) == weights and kept.buffers[1].offset == 0
    assert bytes(kept.buffers[kept.metadata[0].buffer].data) == b"{}"


def test_custom_operators_are_found():
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    for code, custom in ((0, None), (32, b"FlexErf"), (32, b"Mine")):
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.customCode = code, code, custom
        model.operatorCodes = [*(model.operatorCodes or []), entry]
    assert litert_file.foreign_operators(model) == ["FlexErf", "Mine"]
