"""The M labellings of highest score: what is left is split into parts, and each gives its best.

Source: Lawler 1972, Management Science 18(7); for graphical models Nilsson 1998, Statistics and
Computing 8. One best labelling is asked of each part, all parts of a labelling in one batch.
"""

import numpy as np
from keras import ops

from keras_struct.inference.factor_graphs.potentials import ABSENT


def m_best(graph, potentials, count, best, mask=None):
    """The `count` labellings of highest score.

    Args:
        graph: a `FactorGraph`.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S), ...}, log space.
        count: int, M.
        best: exact function of (graph, potentials, mask) to labels (B, V) and scores (B,):
            `eliminated_map`, or `chained_map` for chains.
        mask: (B, V) bool, or None.

    Returns:
        (B, M, V) int32, the best first, and their scores (B, M) float32: minus infinity where there
        are no more labellings.

    Raises:
        ValueError: if `count` is below 1.
    """
    if type(count) is not int or count < 1:
        raise ValueError(f"`count` must be an integer of at least 1. Received: count={count!r}.")
    unary = ops.cast(potentials["unary"], "float32")
    allowed = ops.broadcast_to(graph.state_mask(), ops.shape(unary))
    labels, scores = best(graph, potentials, mask)
    parts = _Parts(labels[:, None], scores[:, None], allowed[:, None])
    found_labels, found_scores = [], []
    for number in range(count):
        place = ops.argmax(parts.scores, axis=1)
        chosen = parts.at(place)
        found_labels.append(chosen.labels)
        found_scores.append(ops.where(chosen.scores > ABSENT / 2, chosen.scores, -np.inf))
        if number + 1 < count:
            halves = _split(graph, potentials, mask, chosen, best)
            parts = parts.without(place).joined(halves)
    return ops.stack(found_labels, axis=1), ops.stack(found_scores, axis=1)


class _Parts:
    """Sets of labellings: states that are allowed (B, P, V, S), and the best labelling of each."""

    def __init__(self, labels, scores, allowed):
        self.labels, self.scores, self.allowed = labels, scores, allowed

    def at(self, place):
        """One part of each item, without the axis of parts."""
        labels = ops.take_along_axis(self.labels, place[:, None, None], axis=1)[:, 0]
        scores = ops.take_along_axis(self.scores, place[:, None], axis=1)[:, 0]
        allowed = ops.take_along_axis(self.allowed, place[:, None, None, None], axis=1)[:, 0]
        return _Parts(labels, scores, allowed)

    def without(self, place):
        """Parts of which one of each item can win no more."""
        own = ops.arange(self.scores.shape[1])[None] == ops.cast(place, "int32")[:, None]
        return _Parts(self.labels, ops.where(own, 2 * ABSENT, self.scores), self.allowed)

    def joined(self, others):
        return _Parts(
            ops.concatenate([self.labels, others.labels], axis=1),
            ops.concatenate([self.scores, others.scores], axis=1),
            ops.concatenate([self.allowed, others.allowed], axis=1),
        )


def _split(graph, potentials, mask, chosen, best):
    """Parts v: as the chosen labelling up to variable v, and not as it there."""
    count, states = graph.num_variables, graph.num_states
    own = ops.one_hot(chosen.labels, states, dtype="bool")[:, None]
    before, here = np.tri(count, k=-1, dtype=bool)[None, ..., None], np.eye(count, dtype=bool)
    allowed = ops.where(before, own, chosen.allowed[:, None])
    allowed = ops.logical_and(allowed, ops.logical_not(ops.logical_and(own, here[None, ..., None])))
    possible = ops.all(ops.any(allowed, axis=-1), axis=-1)
    possible = ops.logical_and(possible, chosen.scores[:, None] > ABSENT / 2)
    if mask is not None:  # a variable left out has no other state
        possible = ops.logical_and(possible, ops.cast(mask, "bool"))
    unary = ops.where(allowed, ops.cast(potentials["unary"], "float32")[:, None], ABSENT)
    more = {name: _repeated(x, count) for name, x in potentials.items() if name != "unary"}
    flat = {**more, "unary": ops.reshape(unary, (-1, count, states))}
    flat_mask = None if mask is None else ops.repeat(ops.cast(mask, "bool"), count, axis=0)
    labels, scores = best(graph, flat, flat_mask)
    scores = ops.where(possible, ops.reshape(scores, (-1, count)), 2 * ABSENT)
    return _Parts(ops.reshape(labels, (-1, count, count)), scores, allowed)


def _repeated(x, count):
    return x if x.shape[0] == 1 else ops.repeat(x, count, axis=0)
