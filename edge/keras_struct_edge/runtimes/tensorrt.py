"""Runs .engine files with TensorRT, or TensorRT-RTX, on an NVIDIA GPU."""

import importlib
import weakref
from pathlib import Path

import numpy as np

from ..card import ArtefactError, parse_card
from .cuda import DeviceBuffers

MODULES = ("tensorrt", "tensorrt_rtx")


class TensorRT:
    """A .engine file, with its card in PATH.json beside it."""

    def __init__(self, path: Path, threads: int | None = None):
        if threads is not None:
            raise ValueError(
                f"`threads` must be None for {path}: engines run on the GPU. "
                f"Received: threads={threads}."
            )
        self.card = _card_beside(path)
        self._trt = _module(self.card, path)
        self._log = _log(self._trt)
        self._engine = self._deserialize(path)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ArtefactError(
                f"The GPU cannot hold {path} ({self._log.errors()}). Free some of its memory."
            )
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = {name: self._mode(name) == self._trt.TensorIOMode.INPUT for name in names}
        self.inputs = {name: self._shape(name) for name in names if is_input[name]}
        self.outputs = tuple(name for name in names if not is_input[name])
        self._input = self.card["input"]["name"]
        self._buffers = DeviceBuffers(path)
        weakref.finalize(self, self._buffers.close)

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on a contiguous (B, H, W, 3) float32 batch."""
        batch = np.ascontiguousarray(batch, self._dtype(self._input))
        if not self._context.set_input_shape(self._input, batch.shape):
            raise ValueError(
                f"`batch` must fit the sizes this engine was built for. Received: batch of shape "
                f"{batch.shape}. Export it again with that batch_size."
            )
        results = {
            name: np.empty(tuple(self._context.get_tensor_shape(name)), self._dtype(name))
            for name in self.outputs
        }
        for name, array in {self._input: batch, **results}.items():
            address = self._buffers.reserve(name, array.nbytes)
            self._context.set_tensor_address(name, address)
        self._buffers.upload(self._input, batch)
        if not self._context.execute_async_v3(self._buffers.stream):
            raise RuntimeError(f"TensorRT failed to run the engine: {self._log.errors()}")
        for name, array in results.items():
            self._buffers.download(name, array)
        self._buffers.wait()
        return results

    def _deserialize(self, path):
        # kept: an engine needs its Runtime for as long as it lives
        self._trt_runtime = self._trt.Runtime(self._log)
        engine = self._trt_runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is not None:
            return engine
        errors = self._log.errors()
        if "magicTag" in errors or "erialization" in errors:
            raise ArtefactError(
                f"{path} is damaged, or was built by another version of TensorRT than "
                f"{self._trt.__name__} {self._trt.__version__} ({errors}). "
                "Export or copy the file again."
            )
        raise RuntimeError(
            f"{path} needs an NVIDIA GPU, of the kind it was built for, and its driver "
            f"({errors}). Without a GPU, run the model as .tflite or .onnx."
        )

    def _mode(self, name):
        return self._engine.get_tensor_mode(name)

    def _shape(self, name):
        return tuple(size if size >= 0 else None for size in self._engine.get_tensor_shape(name))

    def _dtype(self, name):
        return np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))


def _card_beside(path):
    card_path = path.with_name(path.name + ".json")
    if not card_path.is_file():
        raise ArtefactError(
            f"{path} has no card: {card_path.name} must lie beside it. Copy both files; an engine "
            "without one was not written by keras_struct_export."
        )
    return parse_card(card_path.read_bytes(), card_path)


def _module(card, path):
    name = card.get("runtime")
    if name not in MODULES:
        raise ArtefactError(
            f"The card of {path} is not usable: `runtime` must be one of {MODULES}, "
            f"received {name!r}. Export the model again."
        )
    try:
        return importlib.import_module(name)
    except ImportError as error:
        extra = name.replace("_", "-")
        raise ImportError(
            f"{path} needs `{extra}` ({error}). "
            f"Install it with `pip install 'keras-struct-edge[{extra}]'`."
        ) from None


def _log(trt):
    """A TensorRT logger that keeps error messages for our own errors, and prints nothing."""

    class Log(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.messages = []

        def log(self, severity, message):
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.messages = [*self.messages[-4:], message]

        def errors(self):
            return "; ".join(self.messages) or "TensorRT gave no reason"

    return Log()
