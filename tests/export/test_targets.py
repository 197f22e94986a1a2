"""The table of targets, and what it says to a pair it does not have."""

from pathlib import Path

import pytest

from keras_struct_export.targets import PAIRS, TOLERANCES, resolve


def test_nine_pairs():
    assert len(PAIRS) == 9
    assert set(TOLERANCES) == {precision for _, precision in PAIRS}


@pytest.mark.parametrize(
    ("name", "target"), [("a.tflite", "litert"), ("a.onnx", "onnx"), ("a.engine", "tensorrt")]
)
def test_suffix_gives_the_target(name, target):
    assert resolve(Path(name), None, "float32").name == target


def test_unknown_suffix():
    with pytest.raises(ValueError, match=r"`path` must end in one of .*\.onnx.*'a\.pt'"):
        resolve(Path("a.pt"), None, "float32")


@pytest.mark.parametrize(("target", "precision"), [("coreml", "int8"), ("onnx", "int4")])
def test_unknown_pair_lists_the_valid_ones(target, precision):
    with pytest.raises(ValueError, match=f"litert/float32, .*tensorrt/int8.*{precision!r}"):
        resolve(Path("a.onnx"), target, precision)


def test_suffix_of_another_target():
    with pytest.raises(ValueError, match=r"`path` must end in '\.onnx' for target 'onnx'"):
        resolve(Path("a.tflite"), "onnx", "float32")
