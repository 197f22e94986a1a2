"""Reading and completing a .tflite file as the flatbuffer it is."""

import re
from dataclasses import dataclass

import numpy as np

from keras_struct_edge.card import CARD_KEY
from keras_struct_export.float_layers import DECODER

# Types of constants, by their number in the schema: float32, float16, int32, int8.
_DTYPES = {0: "float32", 1: "float16", 2: "int32", 9: "int8"}


@dataclass(frozen=True)
class Operator:
    """One operator of the main graph: its type, names and types of its tensors, its options."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dtypes: tuple[str, ...]
    options: object = None


def parse(content: bytes):
    """Unpack a .tflite file into the mutable objects of its schema."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    _gather(model, content)
    return model


def operators(model) -> list[Operator]:
    """List the operators of the main graph in execution order."""
    graph = model.subgraphs[0]
    kinds, types = _enum("BuiltinOperator"), _enum("TensorType")

    def names(indices):
        return tuple(graph.tensors[i].name.decode() for i in indices if i >= 0)

    return [
        Operator(
            kind=kinds[_code(model.operatorCodes[op.opcodeIndex])],
            inputs=names(op.inputs),
            outputs=names(op.outputs),
            dtypes=tuple(types[graph.tensors[i].type] for i in op.outputs),
            options=op.builtinOptions,
        )
        for op in graph.operators
    ]


def foreign_operators(model) -> list[str]:
    """Names of custom and Flex operators, which plain LiteRT does not have."""
    custom = {code for code, name in _enum("BuiltinOperator").items() if name == "CUSTOM"}
    return sorted(
        (entry.customCode or b"CUSTOM").decode()
        for entry in model.operatorCodes
        if _code(entry) in custom or (entry.customCode or b"").startswith(b"Flex")
    )


def network_operators(model, floats: re.Pattern = DECODER) -> list[Operator]:
    """Operators before the decoder: not of it by name, and fed by nothing of it."""
    decoded: set[str] = set()
    network = []
    for operator in operators(model):
        # A fused operator joins the names of its parts; one part of the network is enough.
        parts = ";".join(operator.outputs).split(";")
        named = all(floats.search(part) for part in parts if part)
        if named or decoded.intersection(operator.inputs):
            decoded.update(operator.outputs)
        else:
            network.append(operator)
    return network


def pack(model) -> bytes:
    """Turn the objects that `parse` gave back into a file."""
    import flatbuffers

    builder = flatbuffers.Builder(sum(0 if b.data is None else len(b.data) for b in model.buffers))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_card(content: bytes, card: bytes) -> bytes:
    """Store the card as a metadata buffer of the file."""
    from ai_edge_litert import schema_py_generated as schema

    model, entry = parse(content), schema.MetadataT()
    entry.name, entry.buffer = CARD_KEY, add_buffer(model, np.frombuffer(card, "uint8"))
    model.metadata = [*(model.metadata or []), entry]
    return pack(model)


def cut(content: bytes, names: list[str], floats: re.Pattern = DECODER) -> bytes:
    """The network without its decoder, as a file whose results are the tensors of these names."""
    model = parse(content)
    kept = {output for operator in network_operators(model, floats) for output in operator.outputs}
    graph = model.subgraphs[0]
    graph.operators = [
        operator
        for operator, named in zip(graph.operators, operators(model), strict=True)
        if kept.issuperset(named.outputs)
    ]
    indices = {item.name.decode(): index for index, item in enumerate(graph.tensors)}
    graph.outputs = [indices[name] for name in names]
    model.signatureDefs = None
    return pack(model)


def constant(model, name: str) -> np.ndarray:
    """The stored values of a constant tensor."""
    item = tensor(model, name)
    data = bytes(model.buffers[item.buffer].data)
    return np.frombuffer(data, _DTYPES[item.type]).reshape(item.shape)


def is_constant(model, name: str) -> bool:
    """Whether a tensor's values are stored in the file."""
    return model.buffers[tensor(model, name).buffer].data is not None


def tensor(model, name: str):
    """The tensor of the main graph that has this name."""
    return next(item for item in model.subgraphs[0].tensors if item.name.decode() == name)


def replace(model, name: str, values: np.ndarray) -> None:
    """Give a constant tensor other values; tensors that had the same ones keep theirs."""
    item = tensor(model, name)
    values = np.ascontiguousarray(values, _DTYPES[item.type])
    item.buffer = add_buffer(model, values.reshape(-1).view("uint8"))


def add_buffer(model, data: np.ndarray) -> int:
    """Store bytes in the file; return the number of their buffer."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = data
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def opcode(model, kind: str) -> int:
    """The number of an operator type in this file, which lists it from then on."""
    from ai_edge_litert import schema_py_generated as schema

    code = getattr(schema.BuiltinOperator, kind)
    for index, entry in enumerate(model.operatorCodes):
        if _code(entry) == code:
            return index
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = code
    entry.version = 1
    model.operatorCodes.append(entry)
    return len(model.operatorCodes) - 1


def _gather(model, content: bytes) -> None:
    """Bring in weights that a large file keeps behind the flatbuffer, at absolute offsets."""
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, "uint8", buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0


def _code(entry) -> int:
    return max(entry.builtinCode, entry.deprecatedBuiltinCode)


def _enum(name: str) -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {v: k for k, v in vars(getattr(schema, name)).items() if isinstance(v, int)}
