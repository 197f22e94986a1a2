"""Reading and completing a .tflite file as the flatbuffer it is."""

import re
from dataclasses import dataclass

import numpy as np

from keras_struct_edge.card import CARD_KEY

# The name a layer called "decoder" leaves in the graph; Keras counts repeated calls.
DECODER = re.compile(r"(^|/)decoder(_\d+)?/")


@dataclass(frozen=True)
class Operator:
    """One operator of the main graph: its type, and names and types of its tensors."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dtypes: tuple[str, ...]


def parse(content: bytes):
    """Unpack a .tflite file into the mutable objects of its schema."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


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


def network_operators(model) -> list[Operator]:
    """Operators before the decoder: not of it by name, and fed by nothing of it."""
    decoded: set[str] = set()
    network = []
    for operator in operators(model):
        # A fused operator joins the names of its parts; one part of the network is enough.
        parts = ";".join(operator.outputs).split(";")
        named = all(DECODER.search(part) for part in parts if part)
        if named or decoded.intersection(operator.inputs):
            decoded.update(operator.outputs)
        else:
            network.append(operator)
    return network


def with_card(content: bytes, card: bytes) -> bytes:
    """Store the card as a metadata buffer of the file."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = parse(content)
    _gather(model, content)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(card, "uint8")
    model.buffers.append(buffer)
    entry.name, entry.buffer = CARD_KEY, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content) + len(card))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


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
