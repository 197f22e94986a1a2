"""Exact inference on chains of any order, by recursions over time that a compiler sees once.

The state of the recursions is the joint of the last `order` variables, as rows of all but the
oldest and a column for each state of the oldest. One step is a matrix product of exponentials whose
maximum was taken out: the oldest variable meets the new one in the table of the longest distance.

Source: Rabiner 1989, Proceedings of the IEEE 77 (forward, backward, Viterbi); Lafferty et al. 2001
(conditional random fields).
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_struct.inference.factor_graphs.potentials import ABSENT, factors_of
from keras_struct.inference.factor_graphs.results import Beliefs

_SMALLEST = 1e-30


def chain_order(graph):
    """The order of a chain, its longest tied distance, or None for another graph.

    A chain has one pairwise factor (t, t + d) for every t and every distance d up to its order, and
    variables of as many states.
    """
    if graph.orders not in ((), (2,)) or len(set(graph.states)) > 1:
        return None
    left, order = set(graph.factors), 0
    if len(left) < len(graph.factors):
        return None
    while left:
        order += 1
        own = {(t, t + order) for t in range(graph.num_variables - order)}
        if not own or not own <= left:
            return None
        left -= own
    return order


def chained(graph, potentials, mask=None) -> Beliefs:
    """Log partition and beliefs of a chain, exact.

    Args:
        graph: a chain, see `graphs.chain`.
        potentials: {"unary": (B, T, S), "pairwise": (B or 1, tables, S, S)}, log space.
        mask: (B, T) bool, or None; variables left out have all their belief in the first state.

    Returns:
        `Beliefs`. Nothing differentiates through the recursions: see `moment_matched`.

    Raises:
        ValueError: if the graph is no chain, or potentials do not fit.
    """
    steps = _steps(graph, potentials, mask)
    before, last, total = _forth(steps, _sums)
    after = _back(steps)
    total = total + ops.logsumexp(last, axis=(1, 2))
    pairs = _pair_beliefs(before, after, steps)
    unary = ops.transpose(ops.sum(pairs[:, :, 0], axis=2), (1, 0, 2))
    return Beliefs(total, unary, _of_factors(graph, pairs))


def chained_map(graph, potentials, mask=None):
    """The labelling of highest score of a chain (Viterbi), exact.

    Args:
        graph: as for `chained`.
        potentials: as for `chained`.
        mask: as for `chained`.

    Returns:
        (B, T) int32, 0 where left out, and its score (B,) float32.
    """
    steps = _steps(graph, potentials, mask)
    before, last, total = _forth(steps, _maxima)
    total = total + ops.max(last, axis=(1, 2))
    return ops.transpose(_traced(before, last, steps)), total


class _Steps(NamedTuple):
    """What comes with each variable: tensors (T, ...) for a scan.

    Args:
        unary: (T, B, S).
        oldest: (T, B or 1, S, S), tables of the longest distance, k.
        others: (T, B or 1, k - 1, S, S), tables of the distances k - 1 to 1.
    """

    unary: object
    oldest: object
    others: object


def _steps(graph, potentials, mask):
    order = chain_order(graph)
    if order is None:
        raise ValueError(
            "`graph` must be a chain: a pairwise factor (t, t + d) for every t and each distance d "
            f"up to its order. Received: {graph}."
        )
    factors = factors_of(graph, potentials, mask)
    states, order = graph.num_states, max(order, 1)
    # behind the last factor stands a table of zeros, for what lies before the first variable
    rows = np.full((graph.num_variables, order), len(graph.factors))
    for row, (first, second) in enumerate(graph.factors):
        rows[second, order - (second - first)] = row
    tables = factors.tables.get(2, ops.zeros((1, 0, states, states)))
    tables = ops.transpose(ops.pad(tables, [(0, 0), (0, 1), (0, 0), (0, 0)]), (1, 0, 2, 3))
    own = ops.transpose(ops.take(tables, rows, axis=0), (0, 2, 1, 3, 4))
    return _Steps(ops.transpose(factors.unary, (1, 0, 2)), own[:, :, 0], own[:, :, 1:])


def _forth(steps, reduce):
    """States before each variable (T, B, R, S), behind the last, and what was taken out (B,)."""
    states = steps.unary.shape[-1]
    rows = states ** steps.others.shape[2]
    start = np.full((1, rows, states), ABSENT, "float32")
    start[0, 0, 0] = 0.0  # as if variables in state 0 came first
    start = ops.zeros_like(steps.unary[0, :, :1, None]) + start
    nothing = ops.zeros_like(start[:, :1, :1])

    def forward(carry, step):
        state, taken = carry
        following = _shifted(reduce(state, step.oldest) + _local(step))
        common = ops.max(following, axis=(1, 2), keepdims=True)
        # TensorFlow's scan wants the form of the carry for what it collects, here and below
        return (following - common, taken + common), carry

    (last, taken), (before, _) = ops.scan(forward, (start, nothing), steps)
    return before, last, taken[:, 0, 0]


def _back(steps):
    """What follows each variable, for the state behind it (T, B, R, S), up to a constant."""
    states = steps.unary.shape[-1]
    none = ops.zeros_like(steps.unary[0, :, :1, None])
    none = none + np.zeros((1, states ** steps.others.shape[2], states), "float32")

    def backward(after, step):
        met = _local(step) + _unshifted(after)
        before = _sums(met, ops.swapaxes(step.oldest, -1, -2))
        return before - ops.max(before, axis=(1, 2), keepdims=True), after

    return ops.scan(backward, none, steps, reverse=True)[1]


def _pair_beliefs(before, after, steps):
    """(T, B, k, S, S): each variable with the k ones before it, the nearest first."""
    order, states = 1 + steps.others.shape[2], steps.unary.shape[-1]
    met = ops.vectorized_map(lambda pair: _local(pair[0]) + _unshifted(pair[1]), (steps, after))
    # (T, B, R, oldest, newest)
    joint = before[..., None] + met[..., None, :] + steps.oldest[:, :, None]
    joint = joint - ops.max(joint, axis=(2, 3, 4), keepdims=True)
    joint = ops.exp(joint)
    joint = joint / ops.sum(joint, axis=(2, 3, 4), keepdims=True)
    parts = [ops.sum(joint, axis=2)]
    shape = (*ops.shape(joint)[:2], *[states] * (order - 1), states, states)
    joint = ops.reshape(joint, shape)
    for place in range(order - 1):
        gone = [2 + axis for axis in range(order) if axis != place]
        parts.append(ops.sum(joint, axis=gone))
    return ops.stack(parts[::-1], axis=2)


def _of_factors(graph, pairs):
    if not graph.factors:
        return {}
    later = np.array([second for _, second in graph.factors])
    distance = np.array([second - first for first, second in graph.factors])
    flat = ops.reshape(ops.transpose(pairs, (1, 0, 2, 3, 4)), (-1, *_flat(pairs)))
    return {2: ops.take(flat, later * pairs.shape[2] + distance - 1, axis=1)}


def _flat(pairs):
    return (pairs.shape[0] * pairs.shape[2], *pairs.shape[3:])


def _traced(before, last, steps):
    """Labels (T, B) of the best path, from the last state back."""
    states = last.shape[-1]
    rows = last.shape[1]
    best = ops.cast(ops.argmax(ops.reshape(last, (-1, rows * states)), axis=-1), "int32")
    end = _Place(best // states, best % states)

    def backward(place, step):
        state, oldest = step
        # rows (z3 .. z) and column z2 were (z2, z3 ..) and z
        joined = place.column * rows + place.row if rows > 1 else place.column
        row, newest = (joined // states, joined % states) if rows > 1 else (0 * joined, joined)
        scores = ops.take_along_axis(state, row[:, None, None], axis=1)[:, 0]
        table = ops.broadcast_to(oldest, (ops.shape(state)[0], states, states))
        met = ops.take_along_axis(table, newest[:, None, None], axis=2)[..., 0]
        column = ops.cast(ops.argmax(scores + met, axis=-1), "int32")
        return _Place(row, column), _Place(newest, newest)

    return ops.scan(backward, end, (before, steps.oldest), reverse=True)[1].row


class _Place(NamedTuple):
    row: object
    column: object


def _local(step):
    """Potentials (B, R, S) of the newest variable with all but the oldest."""
    states, others = step.unary.shape[-1], step.others.shape[1]
    total = ops.reshape(step.unary, (-1, *[1] * others, states))
    for place in range(others):
        shape = [-1, *[1] * others, states]
        shape[1 + place] = states
        total = total + ops.reshape(step.others[:, place], shape)
    return ops.reshape(total, (-1, states**others, states))


def _shifted(met):
    """From rows of all but the newest (z2, z3 ..) and columns z to rows (z3 .. z), columns z2."""
    rows, states = met.shape[1:]
    if rows == 1:
        return met
    return ops.swapaxes(ops.reshape(met, (-1, states, rows)), 1, 2)


def _unshifted(state):
    """The reverse of `_shifted`."""
    rows, states = state.shape[1:]
    if rows == 1:
        return state
    return ops.reshape(ops.swapaxes(state, 1, 2), (-1, rows, states))


def _maxima(state, table):
    return ops.max(state[..., None] + table[:, None], axis=2)


def _sums(state, table):
    """Log of the sum over z1 of exp(state (B, R, z1) + table (B or 1, z1, z)), (B, R, z)."""
    high = ops.max(state, axis=-1, keepdims=True)
    top = ops.max(table, axis=1, keepdims=True)
    found = ops.matmul(ops.exp(state - high), ops.exp(table - top))
    fine = ops.all(found > _SMALLEST)
    # a best pair that is neither's best vanishes in the product: then all sums are taken one by one
    return ops.cond(
        fine,
        lambda: ops.log(ops.maximum(found, _SMALLEST)) + high + top,
        lambda: ops.logsumexp(state[..., None] + table[:, None], axis=2),
    )
