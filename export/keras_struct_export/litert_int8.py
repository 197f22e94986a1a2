"""Static int8 quantisation of the network in a .tflite file; the decoder stays float32."""

import itertools
import os
import re

from keras_struct_export import litert_bias, litert_file
from keras_struct_export.build import Request
from keras_struct_export.errors import ExportError
from keras_struct_export.quiet import quiet


def quantize(content: bytes, request: Request) -> bytes:
    """Quantise weights and activations of everything before the decoder.

    Args:
        content: a float32 .tflite file.
        request: with calibration images.

    Returns:
        A .tflite file with float32 input and outputs.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    floats = request.graph.floats
    network = litert_file.network_operators(litert_file.parse(content), floats)
    # Scaling of pixels stays in float: rounding once before the first kernel is enough.
    network = list(
        itertools.dropwhile(lambda operator: not litert_bias.has_kernel(operator), network)
    )
    everything = qtyping.TFLOperationName
    with quiet():
        work = quantizer.Quantizer(content)
        # Named one by one: a pattern for the rest would reach into the decoder's loop.
        work.add_static_config(_exactly(network), everything.ALL_SUPPORTED, 8, 8)
        for border in (everything.INPUT, everything.OUTPUT):
            work.update_quantization_recipe(
                ".*", border, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE
            )
        spec = request.card["input"]
        feeds = [{spec["name"]: image} for image in _batches(request)]
        try:
            ranges = _ranges(content, feeds)
            result = work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
            quantized = bytes(result.quantized_model)
            return litert_bias.correct(content, quantized, _batches(request), floats)
        except Exception as error:
            raise ExportError(f"LiteRT cannot quantise this model: {error}") from error


def _ranges(content: bytes, feeds: list[dict]) -> dict:
    """Smallest and largest value of every tensor over all feeds.

    The quantiser's own default is a moving average over images: it cuts off what is rare, and high
    scores are rare.
    """
    from ai_edge_quantizer import calibrator, recipe_manager
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    work = calibrator.Calibrator(
        content,
        os.cpu_count() or 1,
        # The mode that keeps all tensors cannot run a graph with a loop.
        calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
        min_max_update,
    )
    work.calibrate({"serving_default": feeds}, recipe_manager.RecipeManager())
    return work.get_model_qsvs()


def _exactly(network: list[litert_file.Operator]) -> str:
    scopes = (re.escape(";".join(operator.outputs) + ";") for operator in network)
    return f"^(?:{'|'.join(scopes)})$"


def _batches(request: Request) -> list:
    size = request.card["batch_size"] or 1
    images = request.calibration
    # A fixed batch is filled by starting again from the first image.
    starts = range(0, len(images), size)
    return [images.take(range(start, start + size), axis=0, mode="wrap") for start in starts]
