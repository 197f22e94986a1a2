"""Toy artefacts with cards, made from the files in golden/."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

CARD = {
    "format": "keras_struct",
    "card_version": 1,
    "task": "detection",
    "model": "Toy",
    "backbone": "none",
    "class_names": ["red", "green", "blue"],
    "input": {
        "name": "images",
        "height": 32,
        "width": 32,
        "channels": 3,
        "layout": "NHWC",
        "dtype": "float32",
        "range": [0, 255],
        "resize": "stretch",
        "pad_value": 114,
    },
    "results": ["boxes", "scores", "labels", "num_detections"],
    "max_detections": 5,
    "batch_size": 1,
    "target": "litert",
    "precision": "float32",
    "versions": {"keras_struct": "0.1.0"},
}


def put_tflite_card(source, path, text):
    """Copy a .tflite file and give it a card, as the contract says."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(Path(source).read_bytes(), 0))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(text, np.uint8)
    entry = schema.MetadataT()
    entry.name = "keras_struct_card"
    entry.buffer = len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    Path(path).write_bytes(bytes(builder.Output()))


def put_onnx_card(source, path, text):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(source))
    entry = model.metadata_props.add()
    entry.key, entry.value = "keras_struct_card", text.decode()
    onnx.save(model, str(path))


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "network: installs packages; leave out with -m 'not network' where offline"
    )


@pytest.fixture
def card():
    """A right card, to be changed freely."""
    return copy.deepcopy(CARD)


@pytest.fixture(scope="session")
def bare():
    """A folder with valid files without a card, made by toy_model.py."""
    return Path(__file__).with_name("golden")


@pytest.fixture(scope="session")
def write(bare, tmp_path_factory):
    """write(suffix, card changes...) -> path of a new artefact; a dict value changes inside."""

    def write(suffix=".tflite", batch="1", text=None, toy="toy", **changes):
        card = copy.deepcopy(CARD)
        for name, value in changes.items():
            card[name] = {**card[name], **value} if isinstance(value, dict) else value
        text = json.dumps(card).encode() if text is None else text
        path = tmp_path_factory.mktemp("artefact") / f"toy{suffix}"
        put = put_tflite_card if suffix == ".tflite" else put_onnx_card
        put(bare / f"{toy}_{batch}{suffix}", path, text)
        return path

    return write


@pytest.fixture(scope="session")
def write_labeller(write):
    """write_labeller(suffix, card changes...) -> path of a new artefact that gives label maps."""

    def write_labeller(suffix=".tflite", results=("segmentation",), **changes):
        return write(
            suffix,
            toy="labels",
            task="segmentation",
            results=list(results),
            input={"height": 24, **changes.pop("input", {})},
            **changes,
        )

    return write_labeller


@pytest.fixture(scope="session", params=[".tflite", ".onnx"])
def artefact(request, write):
    """A good artefact of either kind."""
    return write(request.param)


@pytest.fixture
def photo():
    """A dark 64 x 96 image with one bright red and one bright blue patch.

    Seen as 32 x 32 the patches fill the cells (row 1, column 2) and (row 3, column 0).
    """
    image = np.zeros((64, 96, 3), np.uint8)
    image[16:32, 48:72, 0] = 250
    image[48:64, 0:24, 2] = 200
    return image
