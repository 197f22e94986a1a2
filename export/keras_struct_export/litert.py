"""LiteRT: built-in operators only."""

import re

from keras_struct_export import card as cards
from keras_struct_export import litert_file
from keras_struct_export.build import Artefact, Request
from keras_struct_export.errors import ExportError
from keras_struct_export.frozen import FrozenGraph
from keras_struct_export.litert_argmax import use_argmax
from keras_struct_export.quiet import quiet


def build(request: Request) -> Artefact:
    """Convert a frozen graph to a .tflite file of the precision asked for."""
    with request.progress.step("converted to LiteRT"):
        content = _convert(request.graph, request.precision == "float16")
    if request.precision == "int8":
        from keras_struct_export.litert_int8 import quantize

        with request.progress.step(f"quantised with {len(request.calibration)} images"):
            content = quantize(content, request)
    model = litert_file.parse(content)
    _reject(litert_file.foreign_operators(model), request.graph)
    content = litert_file.with_card(content, cards.encode(request.card))
    return Artefact({"": content}, len(litert_file.operators(model)), "ai-edge-litert")


def _convert(graph: FrozenGraph, half: bool) -> bytes:
    import tensorflow as tf

    function = graph.function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    # SELECT_TF_OPS would let Flex operators in, which no plain runtime can run.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    try:
        with quiet():
            return use_argmax(converter.convert())
    except Exception as error:
        missing = re.findall(r"'tf\.(\w+)' op is neither", str(error))
        _reject(list(dict.fromkeys(missing)), graph, error)
        raise ExportError(f"LiteRT cannot convert this model: {error}") from error


def _reject(foreign: list[str], graph: FrozenGraph, cause: Exception | None = None) -> None:
    if foreign:
        blamed = "; ".join(graph.blame(name.removeprefix("Flex")) for name in foreign)
        raise ExportError(
            f"`model` must use built-in LiteRT operators only. Received: {blamed}. "
            "Write the layer with other keras.ops, or leave it out of the exported model."
        ) from cause
