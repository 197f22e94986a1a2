"""Mean field on a factor graph: the nearest distribution of variables without ties.

Variables that share no factor are updated together, one such group after the other, so that the
bound of the log partition never falls.

Source: Koller and Friedman 2009, Probabilistic Graphical Models, section 11.5.1.
"""

import numpy as np
from keras import ops

from keras_struct.inference.factor_graphs.belief_propagation import Links
from keras_struct.inference.factor_graphs.potentials import factors_of
from keras_struct.inference.factor_graphs.results import Beliefs, plain_entropy


def factor_mean_field(graph, potentials, mask=None, rounds=10) -> Beliefs:
    """Beliefs of mean field, and its lower bound of the log partition.

    Args:
        graph: a `FactorGraph`.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S), ...}, log space.
        mask: (B, V) bool, or None; variables left out have all their belief in the first state.
        rounds: int, updates of every variable.

    Returns:
        `Beliefs`, those of factors being products of those of their variables.

    Raises:
        ValueError: for potentials or `rounds` that do not fit.
    """
    if type(rounds) is not int or rounds < 1:
        raise ValueError(f"`rounds` must be an integer of at least 1. Received: rounds={rounds!r}.")
    factors = factors_of(graph, potentials, mask)
    links, groups = Links(graph), colour_groups(graph)

    def update(step, unary):
        heard = {
            order: _expected(factors.tables[order], ops.take(unary, scopes, axis=1))
            for order, scopes in links.scopes.items()
        }
        found = ops.softmax(links.gather(factors, heard)[0], axis=-1)
        own = ops.take(groups, step % len(groups), axis=0)
        return ops.where(own[None, :, None], found, unary)

    start = ops.softmax(factors.unary, axis=-1)
    unary = ops.fori_loop(0, rounds * len(groups), update, start)
    joint = {
        order: _product(ops.take(unary, graph.scopes(order), axis=1)) for order in graph.orders
    }
    beliefs = Beliefs(None, unary, joint)
    bound = beliefs.score(factors) + ops.sum(plain_entropy(unary, 1), axis=-1)
    return beliefs._replace(log_partition=bound)


def colour_groups(graph):
    """(C, V) bool: groups of variables no two of which share a factor, found greedily."""
    colours = []
    for variable, around in enumerate(graph.neighbours()):
        taken = {colours[other] for other in around if other < variable}
        colours.append(min(set(range(len(taken) + 1)) - taken))
    return np.array(colours)[None] == np.arange(max(colours) + 1)[:, None]


def _expected(table, q):
    """Expected table (B, F, k, S) for each state of each variable; the others follow q."""
    order = q.shape[2]
    said = []
    for place in range(order):
        rest = table
        for other in reversed([axis for axis in range(order) if axis != place]):
            rest = ops.sum(rest * _on_axis(q[:, :, other], other, rest.ndim - 2), axis=2 + other)
        said.append(rest)
    return ops.stack(said, axis=2)


def _product(q):
    """Joint (B, F, S, ..., S) of independent variables (B, F, k, S)."""
    order = q.shape[2]
    joint = _on_axis(q[:, :, 0], 0, order)
    for place in range(1, order):
        joint = joint * _on_axis(q[:, :, place], place, order)
    return joint


def _on_axis(x, axis, count):
    """(B, F, S) with its states on one of `count` axes."""
    return ops.reshape(x, (-1, x.shape[1], *[1] * axis, x.shape[2], *[1] * (count - axis - 1)))
