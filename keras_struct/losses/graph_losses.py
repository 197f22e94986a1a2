"""Losses of the potentials of a factor graph, given the true labelling."""

import numpy as np
from keras import ops

from keras_struct.inference.factor_graphs.belief_propagation import with_arriving
from keras_struct.inference.factor_graphs.methods import best_labels, infer
from keras_struct.inference.factor_graphs.potentials import ABSENT, factors_of, flat_index, score
from keras_struct.inference.factor_graphs.results import moment_matched

NAMES = ("log_loss", "hinge", "pseudo_likelihood", "piecewise", "unary")


def graph_loss(name, graph, potentials, labels, mask=None, **inference):
    """The loss (B,) float32 of a name.

    Args:
        name: "log_loss", "hinge", "pseudo_likelihood", "piecewise" or "unary".
        graph: a `FactorGraph`.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S), ...}, log space.
        labels: (B, V) integers, the truth; where the mask is false they are not read.
        mask: (B, V) bool, or None.
        **inference: `method` and its options, for the first two.

    Raises:
        ValueError: for another name, or inference that the loss has no use for.
    """
    if name not in NAMES:
        raise ValueError(f"`loss` must be one of {NAMES}. Received: loss={name!r}.")
    function = {
        "log_loss": log_loss,
        "hinge": structured_hinge,
        "pseudo_likelihood": pseudo_likelihood,
        "piecewise": piecewise,
        "unary": unary_loss,
    }[name]
    if name in ("log_loss", "hinge"):
        return function(graph, potentials, labels, mask, **inference)
    if inference:
        raise ValueError(
            f"`loss={name}` needs no inference. Received: {sorted(inference)}. Leave them out."
        )
    return function(graph, potentials, labels, mask)


def log_loss(graph, potentials, labels, mask=None, **inference):
    """Negative log-likelihood; its gradient is beliefs less truth, whatever found the beliefs.

    Source: Lafferty et al. 2001; with approximate beliefs Chen et al. 2015, arXiv:1407.2538.
    """
    beliefs = infer(graph, potentials, mask, **inference)
    value = moment_matched(graph, potentials, beliefs, mask)
    return value - score(graph, potentials, labels, mask)


def structured_hinge(graph, potentials, labels, mask=None, **inference):
    """How far the truth is from beating every other labelling by their Hamming distance.

    Source: Taskar et al. 2003; Tsochantaridis et al. 2005 (margin rescaling).
    """
    raised = augmented(graph, potentials, labels)
    rival = ops.stop_gradient(best_labels(graph, raised, mask, **inference))
    lead = score(graph, raised, rival, mask) - score(graph, raised, labels, mask)
    return ops.maximum(lead, 0.0)  # below 0 only where inference is not exact


def augmented(graph, potentials, labels, weight=1.0):
    """Potentials with `weight` more for every state that is wrong (loss-augmented inference)."""
    truth = ops.one_hot(ops.cast(labels, "int32"), graph.num_states)
    unary = ops.cast(potentials["unary"], "float32")
    return {**potentials, "unary": unary + weight * (1.0 - truth)}


def pseudo_likelihood(graph, potentials, labels, mask=None):
    """Each variable's cross-entropy given the true states of all others.

    Source: Besag 1975, The Statistician 24(3).
    """
    factors, labels, there = _prepared(graph, potentials, labels, mask)
    logits = ops.transpose(factors.unary, (1, 0, 2))
    for order, table in factors.tables.items():
        scopes, states = graph.scopes(order), graph.num_states
        known = ops.take(labels, scopes, axis=1)
        for place in range(order):
            others = [axis for axis in range(order) if axis != place]
            moved = ops.transpose(table, (0, 1, 2 + place, *[2 + axis for axis in others]))
            moved = ops.reshape(moved, (-1, len(scopes), states, states ** (order - 1)))
            index = flat_index(ops.take(known, others, axis=2), states)[:, :, None, None]
            index = ops.broadcast_to(index, (ops.shape(labels)[0], len(scopes), states, 1))
            moved = ops.broadcast_to(moved, (ops.shape(labels)[0], *moved.shape[1:]))
            given = ops.transpose(ops.take_along_axis(moved, index, axis=3)[..., 0], (1, 0, 2))
            logits = logits + ops.segment_sum(given, scopes[:, place], graph.num_variables)
    return _cross_entropies(ops.transpose(logits, (1, 0, 2)), labels, there)


def piecewise(graph, potentials, labels, mask=None):
    """Every factor's cross-entropy by itself, as if it were a graph of its own.

    Source: Sutton and McCallum 2005, Piecewise training for undirected models.
    """
    factors, labels, there = _prepared(graph, potentials, labels, mask)
    total = _cross_entropies(factors.unary, labels, there)
    for order, table in factors.tables.items():
        scopes, states = graph.scopes(order), graph.num_states
        absent = np.where(graph.state_mask(), 0.0, ABSENT).astype("float32")[scopes][None]
        logits = ops.reshape(with_arriving(table, absent), (-1, len(scopes), states**order))
        truth = flat_index(ops.take(labels, scopes, axis=1), states)
        together = ops.all(ops.take(there, scopes, axis=1), axis=2)
        logits = ops.broadcast_to(logits, (ops.shape(labels)[0], *logits.shape[1:]))
        total = total + _cross_entropies(logits, truth, together)
    return total


def unary_loss(graph, potentials, labels, mask=None):
    """Each variable's cross-entropy by its unary potentials alone."""
    factors, labels, there = _prepared(graph, potentials, labels, mask)
    return _cross_entropies(factors.unary, labels, there)


def _prepared(graph, potentials, labels, mask):
    labels = ops.cast(labels, "int32")
    there = ops.ones_like(labels, "bool") if mask is None else ops.cast(mask, "bool")
    return factors_of(graph, potentials, mask), ops.where(there, labels, 0), there


def _cross_entropies(logits, labels, there):
    """Sum (B,) over the entries (B, N) that are there."""
    own = ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    entropy = ops.logsumexp(logits, axis=-1) - own
    return ops.sum(ops.where(there, entropy, 0.0), axis=-1)
