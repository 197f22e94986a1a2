"""Questions about an ONNX graph."""

import re
from collections.abc import Iterator

from keras_struct_export.float_layers import DECODER


def all_nodes(graph) -> Iterator:
    """Nodes of a graph and of the bodies of its loops and branches."""
    for node in graph.node:
        yield node
        for body in bodies(node):
            yield from all_nodes(body)


def bodies(node) -> list:
    """Graphs a Loop, If or Scan node carries."""
    found = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    for attribute in node.attribute:
        found.extend(attribute.graphs)
    return found


def used(node) -> set[str]:
    """Tensors a node reads, those its bodies take from outside included."""
    names = set(node.input)
    for body in bodies(node):
        for inner in body.node:
            names |= used(inner)
    return names - {""}


def decoder_nodes(graph, floats: re.Pattern = DECODER) -> set[int]:
    """Indices of the nodes of the decoder: so named, or fed by one that is."""
    decoded: set[str] = set()
    found = set()
    for index, node in enumerate(graph.node):
        if floats.search(f"{node.name}/") or decoded & used(node):
            decoded.update(node.output)
            found.add(index)
    return found
