"""ONNX: one graph that ONNX Runtime runs and TensorRT parses."""

import re

import numpy as np

from keras_struct_edge.card import CARD_KEY
from keras_struct_export import card as cards
from keras_struct_export.build import Artefact, Request
from keras_struct_export.errors import ExportError
from keras_struct_export.frozen import FrozenGraph
from keras_struct_export.onnx_graph import all_nodes
from keras_struct_export.quiet import quiet

OPSET = 17


def build(request: Request) -> Artefact:
    """Convert a frozen graph to an .onnx file of the precision asked for."""
    import onnx
    import onnxruntime  # noqa: F401  what runs the file must be there before work begins

    with request.progress.step("converted to ONNX"):
        model = _convert(request.graph)
    if request.precision == "float16":
        from keras_struct_export.onnx_float16 import to_float16

        with request.progress.step("turned the network to float16"), quiet():
            model = to_float16(model, request.graph.floats)
    elif request.precision == "int8":
        from keras_struct_export.onnx_int8 import quantize

        with request.progress.step(f"quantised with {len(request.calibration)} images"):
            model = quantize(model, request)
    _check(model)
    onnx.helper.set_model_props(model, {CARD_KEY: cards.encode(request.card).decode("utf-8")})
    content = model.SerializeToString()
    return Artefact({"": content}, count_nodes(content), "onnxruntime")


def count_nodes(content: bytes) -> int:
    """Number of nodes in the main graph of an ONNX file."""
    import onnx

    return len(onnx.load_model_from_string(content).graph.node)


def _convert(graph: FrozenGraph):
    with quiet():
        try:
            model = _translate(graph)
        except ImportError:
            raise
        except Exception as error:
            raise ExportError(f"tf2onnx cannot convert this model: {error}") from error
    _reject_foreign(model, graph)
    return model


def _translate(graph: FrozenGraph):
    import tensorflow as tf
    from tf2onnx import optimizer, tf_loader, tfonnx

    function = graph.function.get_concrete_function()
    inputs = [tensor.name for tensor in function.inputs]
    outputs = {value.name: name for name, value in function.structured_outputs.items()}
    definition = tf_loader.from_function(function, inputs, list(outputs))
    with tf.Graph().as_default() as tf_graph:
        tf.import_graph_def(definition, name="")
        result = tfonnx.process_tf_graph(
            tf_graph,
            continue_on_error=True,  # so that all unknown operators can be named together
            opset=OPSET,
            input_names=inputs,
            output_names=list(outputs),
            tensors_to_rename={inputs[0]: graph.signature.name, **outputs},
        )
        _round_scales_up(result)
        # Catching errors costs a copy of the graph for every pass: half of the whole time.
        result = optimizer.optimize_graph(result, catch_errors=False)
        return result.make_model("keras_struct")


def _round_scales_up(result) -> None:
    """Make sizes after resizing those of TensorFlow.

    tf2onnx writes scales; a size is the side times its scale rounded down, and 23 / 12 in float32
    times 12 is less than 23.
    """
    for node in result.get_nodes():
        if node.type != "Resize" or not node.inputs[2].is_const():
            continue
        sides = result.get_shape(node.inputs[0].input[0])  # before the transposition to NCHW
        scales = node.inputs[2].get_tensor_value(as_list=False).copy()
        for place, side in ((2, sides[1]), (3, sides[2])):
            wanted = round(side * float(scales[place]))
            while side * float(scales[place]) < wanted:
                scales[place] = np.nextafter(scales[place], np.float32(np.inf))
        node.inputs[2].set_tensor_value(scales)


def _reject_foreign(model, graph: FrozenGraph) -> None:
    # tf2onnx only logs what it does not know, and leaves the TensorFlow operator in the graph.
    foreign = dict.fromkeys(
        node.op_type
        for node in all_nodes(model.graph)
        if node.domain not in ("", "ai.onnx") or not _known(node.op_type)
    )
    if foreign:
        blamed = "; ".join(graph.blame(name) for name in foreign)
        raise ExportError(
            f"`model` must use operators that ONNX has. Received: {blamed}. "
            "Write the layer with other keras.ops, or leave it out of the exported model."
        )


def _known(op_type: str) -> bool:
    from onnx import defs

    try:
        return not defs.get_schema(op_type, OPSET).deprecated
    except defs.SchemaError:
        return False


def _check(model) -> None:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        where = re.sub(r"\s+", " ", str(error))[:400]  # one fault makes all that follow invalid
        raise ExportError(f"The ONNX graph made from this model is invalid: {where}") from error
