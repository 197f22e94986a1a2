"""Runs .onnx files with ONNX Runtime on the CPU."""

from pathlib import Path

import numpy as np

from ..card import CARD_KEY, ArtefactError, parse_card
from . import default_threads, one_line


class OnnxRuntime:
    """A .onnx file opened by `onnxruntime`."""

    def __init__(self, path: Path, threads: int | None = None):
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                f"{path} needs ONNX Runtime ({error}). "
                "Install it with `pip install 'keras-struct-edge[onnx]'`."
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.log_severity_level = 4  # fatal only: what it has to say, it also raises
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            text = self._session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
            nodes = self._session.get_inputs()
            self.outputs = tuple(node.name for node in self._session.get_outputs())
        except Exception as error:  # its errors share no base class below Exception
            raise ArtefactError(
                f"{path} is damaged or not an ONNX model: ONNX Runtime cannot read it "
                f"({one_line(error)}). Export or copy the file again."
            ) from None
        self.card = parse_card(text, path)
        self.inputs = {
            node.name: tuple(size if isinstance(size, int) else None for size in node.shape)
            for node in nodes
        }
        self._path = path
        self._input = self.card["input"]["name"]

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on a contiguous (B, H, W, 3) float32 batch."""
        try:
            values = self._session.run(None, {self._input: batch})
        except Exception as error:
            raise ArtefactError(
                f"ONNX Runtime cannot run {self._path} ({one_line(error)}). "
                "Export or copy it again."
            ) from None
        return dict(zip(self.outputs, values, strict=True))
