"""Runs .tflite files with LiteRT (XNNPACK on the CPU)."""

import mmap
from pathlib import Path

import numpy as np

from ..card import CARD_KEY, ArtefactError, parse_card
from . import default_threads, one_line


class LiteRT:
    """A .tflite file opened by `ai-edge-litert`."""

    def __init__(self, path: Path, threads: int | None = None):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(
                f"{path} needs the LiteRT runtime `ai-edge-litert` ({error}). "
                "Install it with `pip install ai-edge-litert`."
            ) from None
        with open(path, "rb") as file:
            if file.read(8)[4:] != b"TFL3":
                raise ArtefactError(
                    f"{path} is not a TFLite file, or its head is damaged (no 'TFL3' mark). "
                    "Export or copy the file again."
                )
        try:
            # LiteRT verifies every offset here: only after this is the file safe to read
            interpreter = Interpreter(str(path), num_threads=threads or default_threads())
        except (ValueError, RuntimeError) as error:
            raise ArtefactError(
                f"{path} is damaged or cut short: LiteRT cannot read it ({one_line(error)}). "
                "Export or copy the file again."
            ) from None
        self.card = parse_card(read_card(path), path)
        try:
            interpreter.allocate_tensors()  # finds now what would otherwise fail at the first run
            self._runner = interpreter.get_signature_runner()
            details = self._runner.get_input_details()
            self.outputs = tuple(self._runner.get_output_details())
        except (ValueError, RuntimeError) as error:
            raise ArtefactError(
                f"LiteRT cannot prepare {path}: it is damaged or uses operators that are not "
                f"built in ({one_line(error)}). Export it again with keras_struct_export."
            ) from None
        self.inputs = {
            name: tuple(int(size) if size >= 0 else None for size in detail["shape_signature"])
            for name, detail in details.items()
        }
        self._path = path
        self._input = self.card["input"]["name"]

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on a contiguous (B, H, W, 3) float32 batch."""
        try:
            return self._runner(**{self._input: batch})
        except RuntimeError as error:
            raise ArtefactError(
                f"LiteRT cannot run {self._path} ({one_line(error)}). Export or copy it again."
            ) from None


def read_card(path: Path) -> bytes | None:
    """The card's JSON from the metadata of a verified .tflite file, None where there is none."""
    from ai_edge_litert.schema_py_generated import Model

    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        content = memoryview(data)
        try:
            model = Model.GetRootAs(content, 0)
            for index in range(model.MetadataLength()):
                entry = model.Metadata(index)
                if entry.Name() == CARD_KEY.encode():
                    buffer = model.Buffers(entry.Buffer()) if _has(model, entry) else None
                    return bytes(buffer.DataAsNumpy()) if buffer and buffer.DataLength() else b""
            return None
        finally:
            content.release()


def _has(model, entry):
    return entry.Buffer() < model.BuffersLength()
