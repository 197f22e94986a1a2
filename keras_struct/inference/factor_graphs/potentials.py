"""Potentials of a factor graph: checked, and brought to one form that all methods work on.

Potentials are a dict of tensors in log space, higher is better: "unary" (B, V, S) and, for the
factors of the graph, "pairwise" (B or 1, T, S, S), "order3" (B or 1, T, S, S, S), ... with T tables
as `graph.tables_of` numbers them. Entries of states that a variable does not have are not read. A
mask (B, V) leaves variables out with all their factors, as if the graph did not have them.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

# Far below any score, and a million of them still add up to a float32.
ABSENT = float(np.finfo("float32").min) / 1e6


class Factors(NamedTuple):
    """Potentials of every variable and factor, float32, fit for sums without further thought.

    Args:
        unary: (B, V, S), `ABSENT` for states a variable does not have and, where it is left out,
            for all but the first, which has 0.
        tables: {order: (B or 1, F, S, ..., S)}, 0 where a factor is left out.
    """

    unary: object
    tables: dict


def name_of(order: int) -> str:
    """The name of the potentials of factors of an order."""
    return {1: "unary", 2: "pairwise"}.get(order, f"order{order}")


def factors_of(graph, potentials, mask=None) -> Factors:
    """Potentials of a graph in the form of `Factors`.

    Args:
        graph: a `FactorGraph`.
        potentials: see above.
        mask: (B, V) bool, or None for all variables.

    Raises:
        ValueError: if potentials are missing, unknown, or not of the graph's shapes.
    """
    check(graph, potentials)
    unary = ops.cast(potentials["unary"], "float32")
    there = ops.convert_to_tensor(graph.state_mask())[None]
    unary = ops.where(there, unary, ABSENT)
    tables = {}
    for order in graph.orders:
        table = ops.cast(potentials[name_of(order)], "float32")
        own = ops.take(table, graph.tables_of(order), axis=1)
        if mask is not None:
            members = ops.take(ops.cast(mask, "bool"), graph.scopes(order), axis=1)
            members = ops.all(members, axis=-1)
            own = ops.where(ops.reshape(members, (*_head(members), *[1] * order)), own, 0.0)
        tables[order] = own
    if mask is not None:
        first = np.where(np.arange(graph.num_states) == 0, 0.0, ABSENT).astype("float32")
        unary = ops.where(ops.cast(mask, "bool")[..., None], unary, first)
    return Factors(unary, tables)


def score(graph, potentials, labels, mask=None):
    """Sum of the potentials of a labelling.

    Args:
        graph: a `FactorGraph`.
        potentials: see above.
        labels: (B, V) integers; where the mask is false they are not read.
        mask: (B, V) bool, or None.

    Returns:
        (B,) float32.
    """
    factors = factors_of(graph, potentials, mask)
    labels = ops.cast(labels, "int32")
    if mask is not None:
        labels = ops.where(ops.cast(mask, "bool"), labels, 0)
    total = ops.sum(ops.take_along_axis(factors.unary, labels[..., None], axis=-1), axis=(1, 2))
    for order, tables in factors.tables.items():
        index = flat_index(ops.take(labels, graph.scopes(order), axis=1), graph.num_states)
        flat = ops.reshape(tables, (*_head(tables), graph.num_states**order))
        if tables.shape[0] == 1:
            flat = ops.broadcast_to(flat, (ops.shape(index)[0], *flat.shape[1:]))
        total = total + ops.sum(ops.take_along_axis(flat, index[..., None], axis=-1), axis=(1, 2))
    return total


def flat_index(labels, num_states):
    """Row-major index (...,) of labels (..., k) in a table with k axes of `num_states`."""
    index = labels[..., 0]
    for axis in range(1, labels.shape[-1]):
        index = index * num_states + labels[..., axis]
    return index


def check(graph, potentials):
    """Raise a ValueError if potentials are not those of a graph."""
    wanted = {name_of(order): order for order in (1, *graph.orders)}
    if set(potentials) != set(wanted):
        raise ValueError(
            f"`potentials` must hold {sorted(wanted)} for {graph}. Received: {sorted(potentials)}."
        )
    for name, order in wanted.items():
        first = graph.num_variables if order == 1 else graph.num_tables(order)
        rest = (first, *[graph.num_states] * order)
        shape = tuple(potentials[name].shape)
        if shape[1:] != rest:
            raise ValueError(
                f"`potentials[{name!r}]` must have shape (batch, {', '.join(map(str, rest))}) for "
                f"{graph}. Received: {shape}."
            )


def _head(x):
    """The first two axes of a tensor, static where known."""
    shape = ops.shape(x)
    return tuple(x.shape[i] if x.shape[i] is not None else shape[i] for i in (0, 1))
