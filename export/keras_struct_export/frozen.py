"""A model as one TensorFlow function with constant weights, fixed names and a fixed input."""

import inspect
import re
from dataclasses import dataclass
from typing import Any

from keras_struct_export.errors import ExportError
from keras_struct_export.float_layers import float_layers


@dataclass(frozen=True)
class FrozenGraph:
    """What the LiteRT and ONNX converters start from.

    Attributes:
        function: tf.function images -> dict, weights inside as constants.
        signature: the one tf.TensorSpec it takes.
        outputs: names of its results, in the order of the concrete function.
        layers: names of all layers of the model, to blame one in an error.
        floats: finds the layers that stay float32, see `float_layers`.
    """

    function: Any
    signature: Any
    outputs: tuple[str, ...]
    layers: frozenset[str]
    floats: re.Pattern

    def nodes(self) -> list[tuple[str, str]]:
        """List (operator type, name) of every node, loop bodies included."""
        graph = self.function.get_concrete_function().graph.as_graph_def()
        found = [(node.op, node.name) for node in graph.node]
        for library in graph.library.function:
            found += [(node.op, node.name) for node in library.node_def]
        return found

    def blame(self, operator: str) -> str:
        """Say in which layers an operator type occurs, as far as node names tell."""
        names = [name for op, name in self.nodes() if op == operator]
        layers = dict.fromkeys(filter(None, (self._layer(name) for name in names)))
        if layers:
            return f"{operator} (layer {', '.join(repr(layer) for layer in layers)})"
        return f"{operator} (node {names[0]!r})" if names else operator

    def _layer(self, name: str) -> str | None:
        for part in reversed(name.split("/")[:-1]):
            for candidate in (part, re.sub(r"_\d+$", "", part)):
                if candidate in self.layers:
                    return candidate
        return None


def freeze(network, name: str, shape: tuple[int | None, ...]) -> FrozenGraph:
    """Trace `network` on one float32 input called `name` and turn its weights into constants.

    Args:
        network: a built keras.Model that returns a dict of tensors.
        name: of the input, as it will be called in the artefact.
        shape: (B, H, W, channels); None only for a dynamic batch.

    Raises:
        ExportError: if the model cannot be traced at that shape.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    signature = tf.TensorSpec(shape, tf.float32, name=name)

    def call(images):
        return as_results(network(images, training=False))

    try:
        traced = tf.function(call, input_signature=[signature]).get_concrete_function()
    except Exception as error:
        raise ExportError(
            f"`model` must run on an input of shape {shape}, and tracing it failed: {error}"
        ) from error
    outputs = tuple(sorted(traced.structured_outputs))
    # Loops stay functional: the converters understand While, not the old Switch and Merge.
    constant = convert_variables_to_constants_v2(
        traced, lower_control_flow=False, aggressive_inlining=True
    )
    renamed = _named(constant, outputs, name)
    function = tf.function(renamed, input_signature=[signature])
    return FrozenGraph(
        function, signature, outputs, frozenset(_layer_names(network)), float_layers(network)
    )


def as_results(outputs) -> dict:
    """Name the outputs of a network: a dict stays, one tensor is "output", a list is numbered."""
    if isinstance(outputs, dict):
        return dict(outputs)
    if isinstance(outputs, list | tuple):
        return {f"output_{index}": output for index, output in enumerate(outputs)}
    return {"output": outputs}


def _named(constant, outputs, name):
    def renamed(*images):
        return dict(zip(outputs, constant(*images), strict=True))

    # tf.function names the artefact's input after the argument.
    parameter = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    renamed.__signature__ = inspect.Signature([parameter])
    return renamed


def _layer_names(network) -> list[str]:
    return [layer.name for layer in network._flatten_layers(include_self=False)]
