"""The network of an ONNX graph in float16; its decoder, inputs and outputs stay float32."""

import re

import numpy as np

from keras_struct_export.float_layers import DECODER
from keras_struct_export.onnx_graph import bodies, decoder_nodes, used

# Inputs that the ONNX specification fixes to float32.
_FLOAT32_INPUTS = {"Resize": (1, 2), "QuantizeLinear": (), "DequantizeLinear": ()}
_SMALLEST, _LARGEST = 6e-8, 65504.0


def to_float16(model, floats: re.Pattern = DECODER):
    """Turn weights and activations before the decoder to float16.

    Args:
        model: onnx.ModelProto in float32; it is not changed.
        floats: finds the layers that stay float32, see `float_layers`.

    Returns:
        A new onnx.ModelProto with the same inputs and outputs, with casts at the borders.
    """
    import onnx

    model = onnx.shape_inference.infer_shapes(model, strict_mode=False)
    return _Float16(model).convert(decoder_nodes(model.graph, floats))


class _Float16:
    """One pass over the main graph, in topological order as ONNX requires it to be."""

    def __init__(self, model):
        self.model = model
        self.graph = model.graph
        self.floats = _float_tensors(model.graph)
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.halves: set[str] = set()  # tensors that are float16 in the new graph
        self.casts: dict[tuple[str, bool], str] = {}
        self.nodes: list = []

    def convert(self, kept: set[int]):
        """Convert all nodes but those of the indices `kept`."""
        for index, node in enumerate(self.graph.node):
            # Bodies of loops see tensors by name: nodes that have one stay float32.
            half = index not in kept and not bodies(node)
            self._inputs(node, half)
            self.nodes.append(node)
            if half:
                self._attributes(node)
                self.halves.update(name for name in node.output if name in self.floats)
        self._outputs()
        del self.graph.node[:], self.graph.value_info[:]
        self.graph.node.extend(self.nodes)
        self._drop_unused()
        return self.model

    def _inputs(self, node, half: bool) -> None:
        fixed = _FLOAT32_INPUTS.get(node.op_type, ())
        for position, name in enumerate(node.input):
            if name in self.floats:
                node.input[position] = self._as(name, half and position not in fixed)
        if not half:
            self._captured(node)

    def _captured(self, node) -> None:
        replaced = {
            name: self._as(name, False)
            for name in used(node) - set(node.input)
            if name in self.halves
        }
        for body in bodies(node):
            _rename(body, replaced)

    def _as(self, name: str, half: bool) -> str:
        """The tensor in the precision wanted, cast or converted once."""
        from onnx import TensorProto, helper

        if half == (name in self.halves):
            return name
        if (name, half) not in self.casts:
            new = f"{name}__float{16 if half else 32}"
            self.casts[name, half] = new
            if name in self.weights:
                self.graph.initializer.append(_half_tensor(self.weights[name], new))
            else:
                to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
                self.nodes.append(helper.make_node("Cast", [name], [new], name=new, to=to))
        return self.casts[name, half]

    def _attributes(self, node) -> None:
        from onnx import TensorProto

        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to":
                if attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16
            elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(_half_tensor(attribute.t, attribute.t.name))

    def _outputs(self) -> None:
        from onnx import TensorProto, helper

        for output in self.graph.output:
            if output.name not in self.halves:
                continue
            inner = f"{output.name}__float16"
            for node in self.nodes:
                for names in (node.input, node.output):
                    for position, name in enumerate(names):
                        if name == output.name:
                            names[position] = inner
            cast = helper.make_node(
                "Cast", [inner], [output.name], name=f"{output.name}__cast", to=TensorProto.FLOAT
            )
            self.nodes.append(cast)

    def _drop_unused(self) -> None:
        wanted = {output.name for output in self.graph.output}
        for node in self.graph.node:
            wanted |= used(node)
        kept = [tensor for tensor in self.graph.initializer if tensor.name in wanted]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def _float_tensors(graph) -> set[str]:
    from onnx import TensorProto

    typed = [*graph.input, *graph.value_info, *graph.output]
    names = {v.name for v in typed if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return names | {t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT}


def _half_tensor(tensor, name: str):
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    size = np.abs(values)
    # Neither a weight nor a divisor may overflow or vanish.
    size = np.where(size > 0, np.clip(size, _SMALLEST, _LARGEST), size)
    return numpy_helper.from_array((np.sign(values) * size).astype("float16"), name)


def _rename(graph, replaced: dict[str, str]) -> None:
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = replaced.get(name, name)
        for body in bodies(node):
            _rename(body, replaced)
