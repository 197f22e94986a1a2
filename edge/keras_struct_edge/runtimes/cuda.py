"""Memory on the GPU, through cuda-python."""

from pathlib import Path

import numpy as np


class DeviceBuffers:
    """One buffer on the GPU for each tensor of an engine, and the stream they are used on.

    Buffers only grow: a smaller batch reuses what a larger one reserved.
    """

    def __init__(self, path: Path):
        self._cuda = _cudart(path)
        self._sizes: dict[str, int] = {}
        self._addresses: dict[str, int] = {}
        self._stream = self._call("cudaStreamCreate")
        self.stream = int(self._stream)

    def reserve(self, name: str, size: int) -> int:
        """Address of at least `size` bytes for the tensor `name`."""
        if self._sizes.get(name, 0) < size:
            if name in self._addresses:
                self._call("cudaFree", self._addresses.pop(name))
                del self._sizes[name]
            self._addresses[name] = int(self._call("cudaMalloc", size))
            self._sizes[name] = size
        return self._addresses[name]

    def upload(self, name: str, array: np.ndarray) -> None:
        """Queue a copy of a contiguous `array` to the GPU; `array` must live until `wait`."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self._addresses[name], array.ctypes.data, array.nbytes, kind)

    def download(self, name: str, array: np.ndarray) -> None:
        """Queue a copy from the GPU into `array`, filled once `wait` returns."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(array.ctypes.data, self._addresses[name], array.nbytes, kind)

    def wait(self) -> None:
        """Return when everything queued is done."""
        self._call("cudaStreamSynchronize", self._stream)

    def close(self) -> None:
        """Give the memory back."""
        while self._addresses:
            self._cuda.cudaFree(self._addresses.popitem()[1])
        self._sizes.clear()
        if self._stream is not None:
            self._cuda.cudaStreamDestroy(self._stream)
            self._stream = None

    def _copy(self, target, source, size, kind):
        self._call("cudaMemcpyAsync", target, source, size, kind, self._stream)

    def _call(self, name, *arguments):
        # cuda-python answers (error,) or (error, value)
        error, *values = getattr(self._cuda, name)(*arguments)
        if error != self._cuda.cudaError_t.cudaSuccess:
            raise RuntimeError(
                f"CUDA failed in {name}: {getattr(error, 'name', error)}. "
                "Check the GPU, its driver and its free memory with `nvidia-smi`."
            )
        return values[0] if values else None


def _cudart(path):
    try:
        from cuda.bindings import runtime  # cuda-python 12.6 and later

        return runtime
    except ImportError:
        pass
    try:
        from cuda import cudart

        return cudart
    except ImportError as error:
        raise ImportError(
            f"{path} needs `cuda-python` ({error}). Install it with `pip install cuda-python`."
        ) from None
