"""TensorRT: a strongly typed engine built from the ONNX graph of the same precision."""

import ctypes.util
import importlib
import importlib.util

from keras_struct_export import card as cards
from keras_struct_export import onnx_model
from keras_struct_export.build import Artefact, Request
from keras_struct_export.errors import ExportError
from keras_struct_export.quiet import quiet

MAX_BATCH = 16


def build(request: Request) -> Artefact:
    """Build an engine; its card lies beside it, as an engine has no place for one."""
    runtime = choose_runtime()
    trt = importlib.import_module(runtime)
    source = onnx_model.build(request).files[""]
    with request.progress.step(f"built the engine with {runtime}"):
        engine = _build_engine(trt, source, request)
    card = {**request.card, "runtime": runtime}
    if request.card["batch_size"] is None:
        card["batch_limit"] = MAX_BATCH
    # Without a GPU the engine cannot be run: the graph it was built from is compared instead.
    twin = None if has_gpu() else source
    operators = onnx_model.count_nodes(source)
    return Artefact({"": engine, ".json": cards.encode(card)}, operators, runtime, twin)


def choose_runtime() -> str:
    """Name the module to build with: `tensorrt` where there is a GPU, else `tensorrt_rtx`.

    Raises:
        ImportError: if neither can be used here.
    """
    installed = [n for n in ("tensorrt", "tensorrt_rtx") if importlib.util.find_spec(n)]
    if has_gpu() and installed:
        return installed[0]
    if "tensorrt_rtx" in installed:
        return "tensorrt_rtx"
    raise ImportError(
        "TensorRT: without a GPU only tensorrt_rtx builds engines.", name="tensorrt_rtx"
    )


def has_gpu() -> bool:
    """Whether the CUDA driver is here and sees a device."""
    library = ctypes.util.find_library("cuda")
    if library is None:
        return False
    try:
        driver = ctypes.CDLL(library)
        count = ctypes.c_int(0)
        ready = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except OSError:
        return False
    return ready and count.value > 0


def _build_engine(trt, source: bytes, request: Request) -> bytes:
    with quiet():
        logger = trt.Logger(trt.Logger.ERROR)
        builder = trt.Builder(logger)
        # Precision lives in the graph; TensorRT 11 knows no other way and no flag for it.
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        network = builder.create_network(flags)
        parser = trt.OnnxParser(network, logger)
        if not parser.parse(source):
            errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
            raise ExportError(f"TensorRT cannot parse the ONNX graph: {'; '.join(errors)}")
        config = builder.create_builder_config()
        if request.card["batch_size"] is None:
            config.add_optimization_profile(_profile(builder, request))
        engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError(
            "TensorRT parsed the ONNX graph but could not build an engine from it. "
            "Export to ONNX and look at it with trtexec --verbose."
        )
    return bytes(engine)


def _profile(builder, request: Request):
    spec = request.card["input"]
    size = (spec["height"], spec["width"], spec["channels"])
    profile = builder.create_optimization_profile()
    profile.set_shape(spec["name"], (1, *size), (1, *size), (MAX_BATCH, *size))
    return profile
