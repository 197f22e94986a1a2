"""Engines: the real TensorRT-RTX as far as it goes without a GPU, then a stand-in for the GPU."""

import ctypes
import enum
import json
import sys
import types

import numpy as np
import pytest

from keras_struct_edge import ArtefactError, load


@pytest.fixture
def engine(tmp_path, card):
    """engine(card changes...) -> path of a file with engine bytes and its card beside it."""

    def write(data=b"engine", **changes):
        path = tmp_path / "toy.engine"
        path.write_bytes(data)
        content = {**card, "target": "tensorrt", "runtime": "tensorrt_rtx", **changes}
        (tmp_path / "toy.engine.json").write_text(json.dumps(content))
        return path

    return write


def test_the_card_must_lie_beside(tmp_path):
    (tmp_path / "toy.engine").write_bytes(b"engine")
    with pytest.raises(ArtefactError, match=r"toy\.engine has no card: toy\.engine\.json must lie"):
        load(tmp_path / "toy.engine")


def test_the_card_names_the_runtime(engine):
    with pytest.raises(ArtefactError, match="`runtime` must be one of.*received 'cuda'"):
        load(engine(runtime="cuda"))
    with pytest.raises(ArtefactError, match=r"toy\.engine\.json is not usable: `task`"):
        load(engine(task=None))


def test_threads_are_for_the_cpu(engine):
    with pytest.raises(ValueError, match="`threads` must be None.*run on the GPU.*threads=2"):
        load(engine(), threads=2)


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
def test_a_missing_runtime(engine, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    extra = name.replace("_", "-")
    with pytest.raises(ImportError, match=rf"pip install 'keras-struct-edge\[{extra}\]'"):
        load(engine(runtime=name))


def build_engine(trt):
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    images = network.add_input("images", trt.float32, (1, 32, 32, 3))
    doubled = network.add_elementwise(images, images, trt.ElementWiseOperation.SUM)
    doubled.get_output(0).name = "scores"
    network.mark_output(doubled.get_output(0))
    return bytes(builder.build_serialized_network(network, builder.create_builder_config()))


def test_real_tensorrt(engine):
    trt = pytest.importorskip("tensorrt_rtx")
    with pytest.raises(ArtefactError, match=r"toy\.engine is damaged, or was built by another"):
        load(engine(b"no engine at all" * 100))
    try:
        predictor = load(engine(build_engine(trt), task="raw", results=["scores"]))
    except RuntimeError as error:
        assert "needs an NVIDIA GPU" in str(error) and "toy.engine" in str(error)
    else:  # there is a GPU
        batch = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
        np.testing.assert_array_equal(predictor.run(batch)["scores"], batch * 2)


def test_the_real_module_has_all_that_is_called():
    trt = pytest.importorskip("tensorrt_rtx")
    used = {
        trt.Runtime: ["deserialize_cuda_engine"],
        trt.ICudaEngine: [
            "create_execution_context",
            "get_tensor_dtype",
            "get_tensor_mode",
            "get_tensor_name",
            "get_tensor_shape",
            "num_io_tensors",
        ],
        trt.IExecutionContext: [
            "execute_async_v3",
            "get_tensor_shape",
            "set_input_shape",
            "set_tensor_address",
        ],
    }
    missing = [name for owner, names in used.items() for name in names if not hasattr(owner, name)]
    assert not missing
    assert np.dtype(trt.nptype(trt.float32)) == np.float32


class Status(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2


class FakeCuda:
    """The part of cuda-python that is used, with host memory in place of the GPU's."""

    cudaError_t = Status
    cudaMemcpyKind = types.SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self):
        self.memory, self.streams, self.calls, self.full = {}, 0, [], False

    def cudaStreamCreate(self):
        self.streams += 1
        return Status.cudaSuccess, 7

    def cudaStreamDestroy(self, stream):
        self.streams -= 1
        return (Status.cudaSuccess,)

    def cudaMalloc(self, size):
        if self.full:
            return Status.cudaErrorMemoryAllocation, None
        buffer = ctypes.create_string_buffer(size)
        self.memory[ctypes.addressof(buffer)] = buffer
        return Status.cudaSuccess, ctypes.addressof(buffer)

    def cudaFree(self, address):
        del self.memory[address]
        return (Status.cudaSuccess,)

    def cudaMemcpyAsync(self, target, source, size, kind, stream):
        on_device = target if kind == 1 else source
        assert size <= len(self.memory[on_device]) and stream == 7
        ctypes.memmove(target, source, size)
        self.calls.append("upload" if kind == 1 else "download")
        return (Status.cudaSuccess,)

    def cudaStreamSynchronize(self, stream):
        self.calls.append("wait")
        return (Status.cudaSuccess,)


def fake_tensorrt(cuda, limit=2, works=True):
    """A TensorRT whose one engine doubles its input (float16 inside), for up to `limit` images."""

    class Context:
        def __init__(self):
            self.addresses, self.batch = {}, None

        def set_input_shape(self, name, shape):
            self.batch = shape[0]
            return name == "images" and shape[0] <= limit

        def get_tensor_shape(self, name):
            return (self.batch, 32, 32, 3)

        def set_tensor_address(self, name, address):
            self.addresses[name] = address
            return True

        def execute_async_v3(self, stream):
            cuda.calls.append("run")
            count = self.batch * 32 * 32 * 3
            halves = (ctypes.c_uint16 * count).from_address(self.addresses["images"])
            floats = (ctypes.c_float * count).from_address(self.addresses["scores"])
            np.frombuffer(floats, np.float32)[:] = np.frombuffer(halves, np.float16) * 2.0
            return works

    engine = types.SimpleNamespace(
        num_io_tensors=2,
        get_tensor_name=["images", "scores"].__getitem__,
        get_tensor_mode={"images": "in", "scores": "out"}.get,
        get_tensor_shape=lambda name: (-1, 32, 32, 3),
        get_tensor_dtype={"images": "half", "scores": "float"}.get,
        create_execution_context=Context,
    )
    severity = types.SimpleNamespace(ERROR=1, INTERNAL_ERROR=0)
    return types.SimpleNamespace(
        __name__="tensorrt",
        __version__="0",
        ILogger=type("ILogger", (), {"Severity": severity}),
        Runtime=lambda log: types.SimpleNamespace(deserialize_cuda_engine=lambda data: engine),
        TensorIOMode=types.SimpleNamespace(INPUT="in"),
        nptype={"half": np.float16, "float": np.float32}.get,
        engine=engine,
    )


@pytest.fixture
def gpu(monkeypatch):
    cuda = FakeCuda()
    monkeypatch.setitem(sys.modules, "cuda", types.ModuleType("cuda"))
    bindings = types.ModuleType("cuda.bindings")
    bindings.runtime = cuda
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(cuda))
    return cuda


RAW = {"runtime": "tensorrt", "task": "raw", "results": ["scores"], "batch_size": None}


def test_runs_and_gives_the_memory_back(engine, gpu):
    predictor = load(engine(**RAW))
    rng = np.random.default_rng(0)
    for count in (1, 2, 1):  # grows, then reuses
        batch = rng.integers(0, 256, (count, 32, 32, 3)).astype(np.float32)
        np.testing.assert_array_equal(predictor.run(batch)["scores"], batch * 2)
    assert gpu.calls[-4:] == ["upload", "run", "download", "wait"]
    assert len(gpu.memory) == 2
    del predictor
    assert not gpu.memory and gpu.streams == 0


def test_batches_beyond_the_profile(engine, gpu):
    with pytest.raises(ValueError, match=r"sizes this engine was built for.*\(3, 32, 32, 3\)"):
        load(engine(**RAW)).run(np.zeros((3, 32, 32, 3), np.float32))


def test_a_full_gpu_is_named(engine, gpu, monkeypatch):
    predictor = load(engine(**RAW))
    gpu.full = True
    with pytest.raises(RuntimeError, match="cudaMalloc: cudaErrorMemoryAllocation.*nvidia-smi"):
        predictor.run(np.zeros((1, 32, 32, 3), np.float32))
    monkeypatch.setattr(sys.modules["tensorrt"].engine, "create_execution_context", lambda: None)
    with pytest.raises(ArtefactError, match="GPU cannot hold .*toy.engine"):
        load(engine(**RAW))


def test_a_failed_run_is_named(engine, gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(gpu, works=False))
    with pytest.raises(RuntimeError, match="TensorRT failed to run the engine"):
        load(engine(**RAW)).run(np.zeros((1, 32, 32, 3), np.float32))


def test_missing_cuda_python(engine, gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(ImportError, match="toy.engine needs `cuda-python`"):
        load(engine(**RAW))


def test_older_cuda_python(engine, gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    sys.modules["cuda"].cudart = gpu
    assert load(engine(**RAW)).card["task"] == "raw"
