"""Opening artefacts: every way a file can be wrong has an error that names it."""

import json
import re
import shutil
import sys

import numpy as np
import pytest

from keras_struct_edge import ArtefactError, load
from keras_struct_edge.card import parse_card

BOTH = pytest.mark.parametrize("suffix", [".tflite", ".onnx"])


def refused(path, message, error=ArtefactError, **arguments):
    with pytest.raises(error, match=message) as caught:
        load(path, **arguments)
    assert path.name in str(caught.value)


def test_reads_the_card_from_inside_the_file(artefact, card):
    predictor = load(str(artefact))
    assert predictor.card == card
    assert predictor.class_names == ("red", "green", "blue")


@BOTH
def test_a_missing_file(tmp_path, suffix):
    refused(tmp_path / f"none{suffix}", "There is no file", FileNotFoundError)


def test_another_suffix(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"x")
    refused(tmp_path / "model.keras", r"must end in one of .tflite, .onnx, .engine")


@BOTH
def test_a_folder(tmp_path, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    refused(tmp_path / f"folder{suffix}", "is not a file")


@BOTH
def test_an_empty_file(tmp_path, suffix):
    (tmp_path / f"empty{suffix}").write_bytes(b"")
    refused(tmp_path / f"empty{suffix}", r"is empty \(0 bytes\)")


@BOTH
def test_a_valid_file_that_is_not_ours(bare, suffix):
    refused(bare / f"toy_1{suffix}", "carries no keras_struct card.*keras_struct_export")


def test_one_kind_of_file_with_the_suffix_of_another(write, tmp_path):
    shutil.copy(write(".onnx"), tmp_path / "a.tflite")
    refused(tmp_path / "a.tflite", "is not a TFLite file")
    shutil.copy(write(".tflite"), tmp_path / "b.onnx")
    refused(tmp_path / "b.onnx", "is damaged or not an ONNX model")


def test_a_damaged_head(write, tmp_path):
    data = bytearray(write().read_bytes())
    data[5] ^= 0xFF
    (tmp_path / "flipped.tflite").write_bytes(data)
    refused(tmp_path / "flipped.tflite", "no 'TFL3' mark")
    data[4:8] = b"TFL3"
    data[0:4] = b"\xff\xff\xff\x7f"  # the root lies far outside
    (tmp_path / "root.tflite").write_bytes(data)
    refused(tmp_path / "root.tflite", "is damaged or cut short")


@BOTH
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9, 0.99])
def test_a_file_cut_short(write, tmp_path, suffix, part):
    data = write(suffix).read_bytes()
    path = tmp_path / f"short{suffix}"
    path.write_bytes(data[: int(len(data) * part)])
    refused(path, "is damaged|is not a TFLite file")


@BOTH
def test_random_bytes(tmp_path, suffix):
    path = tmp_path / f"noise{suffix}"
    for seed in range(20):
        head = b"\x1c\0\0\0TFL3" if suffix == ".tflite" and seed % 2 else b""
        path.write_bytes(head + np.random.default_rng(seed).bytes(3000))
        refused(path, "is damaged|is not a TFLite file")


@BOTH
def test_flipped_bytes_never_end_the_process(write, tmp_path, suffix):
    """Each damaged file is refused, or runs: a crash would end this test run."""
    data = write(suffix).read_bytes()
    path = tmp_path / f"flipped{suffix}"
    image = np.zeros((8, 8, 3), np.uint8)
    refusals = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        start, length = rng.integers(0, len(data)), rng.integers(1, 64)
        damaged = bytearray(data)
        damaged[start : start + length] = rng.bytes(len(damaged[start : start + length]))
        path.write_bytes(damaged)
        try:
            load(path, threads=1)(image)
        except ArtefactError:
            refusals += 1
    assert refusals > 20


@BOTH
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "is damaged"),
        (b"[]", "is not a keras_struct card"),
        (b'{"format": "other"}', "is not a keras_struct card"),
        (b'{"format": "keras_struct"}', "`card_version` must be a positive integer.*None"),
        (b'{"format": "keras_struct", "card_version": 2}', "version 2.*reads up to 1.*pip install"),
        (b'{"format": "keras_struct", "card_version": 1}', "`task` is missing.*`input` is missing"),
    ],
)
def test_unusable_cards(write, suffix, text, message):
    refused(write(suffix, text=text), message)


def test_a_card_that_is_no_text(write):
    refused(write(text=b"\xff\xfe\xfd"), "is damaged")
    refused(write(text=b""), "is damaged")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("task", 3, "`task` must be a word"),
        ("class_names", "cat", "`class_names` must be a list of names, received 'cat'"),
        ("class_names", ["cat", 1], "`class_names` must be a list of names"),
        ("input", [], "`input` must be an object"),
        ("results", [], "`results` must be a list of result names"),
        ("batch_size", 0, "`batch_size` must be a positive integer or null, received 0"),
        ("batch_size", True, "`batch_size` must be"),
        ("card_version", "1", "`card_version` must be a positive integer"),
        ("input.name", "", "`input.name` must be a name"),
        ("input.height", 0, "`input.height` must be a positive integer"),
        ("input.width", 32.0, "`input.width` must be a positive integer"),
        ("input.channels", 1, "`input.channels` must be 3"),
        ("input.layout", "NCHW", "`input.layout` must be 'NHWC'"),
        ("input.dtype", "uint8", "`input.dtype` must be 'float32'"),
        ("input.range", [0, 1], r"`input.range` must be \[0, 255\], received \[0, 1\]"),
        ("input.range", ["0", "255"], "`input.range` must be"),
        ("input.resize", "crop", "`input.resize` must be one of.*received 'crop'"),
        ("input.pad_value", 300, "`input.pad_value` must be 0 to 255"),
    ],
)
def test_ill_typed_card_fields(card, field, value, message):
    *outer, last = field.split(".")
    (card[outer[0]] if outer else card)[last] = value
    with pytest.raises(ArtefactError, match=rf"cells\.tflite.*{message}"):
        parse_card(json.dumps(card), "cells.tflite")


def test_missing_card_fields_are_all_named(card):
    del card["results"], card["input"]["pad_value"]
    with pytest.raises(ArtefactError, match="`results` is missing"):
        parse_card(json.dumps(card), "cells.tflite")
    card["results"] = ["boxes"]
    with pytest.raises(ArtefactError, match="`input.pad_value` is missing, it must be 0 to 255"):
        parse_card(json.dumps(card), "cells.tflite")


def test_fields_of_later_exporters_are_kept(card):
    card["notes"] = "trained on a rainy day"
    assert parse_card(json.dumps(card), "cells.tflite") == card


@BOTH
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": {"name": "pixels"}}, r"input is \['images'\], the card's 'pixels'"),
        (
            {"input": {"height": 64}},
            r"input has shape \(1, 32, 32, 3\), the card's \(1, 64, 32, 3\)",
        ),
        ({"batch_size": None}, r"shape \(1, 32, 32, 3\), the card's \(None, 32, 32, 3\)"),
        ({"results": ["boxes", "masks"]}, r"no results \['masks'\], only \['boxes', 'labels'"),
    ],
)
def test_a_card_that_disagrees_with_its_file(write, suffix, changes, message):
    refused(write(suffix, **changes), f"disagree: .*{message}")


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_wrong_threads(write, threads):
    with pytest.raises(ValueError, match=re.escape(f"Received: threads={threads!r}")):
        load(write(), threads=threads)


@pytest.mark.parametrize(
    ("suffix", "module", "message"),
    [
        (".tflite", "ai_edge_litert.interpreter", "pip install ai-edge-litert"),
        (".onnx", "onnxruntime", r"pip install 'keras-struct-edge\[onnx\]'"),
    ],
)
def test_a_missing_runtime(write, monkeypatch, suffix, module, message):
    path = write(suffix)
    monkeypatch.setitem(sys.modules, module, None)
    refused(path, message, ImportError)


def test_a_file_without_signature(write, tmp_path):
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(write().read_bytes(), 0))
    model.signatureDefs = None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    (tmp_path / "plain.tflite").write_bytes(bytes(builder.Output()))
    refused(tmp_path / "plain.tflite", "LiteRT cannot prepare.*Export it again")
