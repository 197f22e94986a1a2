"""Inference by name, for layers, losses and commands."""

from keras import ops

from keras_struct.inference.factor_graphs.belief_propagation import belief_propagation, max_product
from keras_struct.inference.factor_graphs.chains import chain_order, chained, chained_map
from keras_struct.inference.factor_graphs.dual_relaxation import convex_beliefs, relaxed_map
from keras_struct.inference.factor_graphs.elimination import eliminated, eliminated_map
from keras_struct.inference.factor_graphs.factor_mean_field import factor_mean_field

METHODS = ("exact", "belief_propagation", "mean_field", "convex")


def infer(graph, potentials, mask=None, method="exact", **options):
    """Beliefs of a graph by the method of a name.

    Args:
        graph: a `FactorGraph`.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S), ...}, log space.
        mask: (B, V) bool, or None.
        method: "exact" (recursions on chains, else elimination), "belief_propagation",
            "mean_field" or "convex".
        **options: of the method, such as `rounds`.

    Returns:
        `Beliefs`.

    Raises:
        ValueError: for another method, or what the method does not take.
    """
    check_method(method)
    exact = eliminated if chain_order(graph) is None else chained
    found = {
        "exact": exact,
        "belief_propagation": belief_propagation,
        "mean_field": factor_mean_field,
        "convex": convex_beliefs,
    }
    return found[method](graph, potentials, mask, **options)


def best_labels(graph, potentials, mask=None, method="exact", **options):
    """The labelling (B, V) int32 that a method finds best, 0 where left out.

    Args:
        graph: as for `infer`.
        potentials: as for `infer`.
        mask: as for `infer`.
        method: as for `infer`; "belief_propagation" sends max-product messages, "convex" lowers the
            dual of the relaxation, "mean_field" takes the likeliest state of each variable.
        **options: of the method.

    Raises:
        ValueError: for another method, or what the method does not take.
    """
    check_method(method)
    if method == "exact":
        exact = eliminated_map if chain_order(graph) is None else chained_map
        return exact(graph, potentials, mask)[0]
    if method == "belief_propagation":
        return max_product(graph, potentials, mask, **options)
    if method == "convex":
        return relaxed_map(graph, potentials, mask, **options).labels
    unary = factor_mean_field(graph, potentials, mask, **options).unary
    return ops.cast(ops.argmax(unary, axis=-1), "int32")


def check_method(method):
    """Raise a ValueError if there is no such method."""
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {METHODS}. Received: method={method!r}.")
