"""Loopy belief propagation, sum- and max-product: exact on trees, often good with cycles.

All factors of an order send their messages at once; the number of rounds is fixed, so that shapes
and time are known beforehand. The cost of a round is linear in the factors.

Source: Kschischang, Frey and Loeliger 2001, IEEE Transactions on Information Theory 47; Bethe free
energy: Yedidia, Freeman and Weiss 2005, section IV.
"""

import numpy as np
from keras import ops

from keras_struct.inference.factor_graphs.potentials import Factors, factors_of
from keras_struct.inference.factor_graphs.results import Beliefs, plain_entropy


def belief_propagation(graph, potentials, mask=None, rounds=20, damping=0.0) -> Beliefs:
    """Beliefs by sum-product messages, and the Bethe approximation of the log partition.

    On a graph without cycles both are exact once `rounds` reaches the longest path.

    Args:
        graph: a `FactorGraph`.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S), ...}, log space.
        mask: (B, V) bool, or None; variables left out have all their belief in the first state.
        rounds: int, of messages.
        damping: float in [0, 1), share of the old message that is kept; helps where messages swing.

    Returns:
        `Beliefs`.

    Raises:
        ValueError: for potentials or options that do not fit.
    """
    factors = factors_of(graph, potentials, mask)
    links = Links(graph)
    messages = send(links, factors, rounds, damping, ops.logsumexp)
    gathered, arriving = links.gather(factors, messages)
    unary = ops.softmax(gathered, axis=-1)
    joint = {
        order: softmax_of_factors(with_arriving(factors.tables[order], arriving[order]))
        for order in graph.orders
    }
    beliefs = Beliefs(None, unary, joint)
    return beliefs._replace(log_partition=_bethe(links, factors, beliefs))


def max_product(graph, potentials, mask=None, rounds=20, damping=0.0):
    """A labelling by max-product messages: the best one on graphs without cycles.

    Args:
        graph: as for `belief_propagation`.
        potentials: as for `belief_propagation`.
        mask: as for `belief_propagation`.
        rounds: as for `belief_propagation`.
        damping: as for `belief_propagation`.

    Returns:
        (B, V) int32, 0 where left out.
    """
    factors = factors_of(graph, potentials, mask)
    links = Links(graph)
    messages = send(links, factors, rounds, damping, ops.max)
    return ops.cast(ops.argmax(links.gather(factors, messages)[0], axis=-1), "int32")


class Links:
    """Which messages meet at which variable.

    Args:
        graph: a `FactorGraph`.
    """

    def __init__(self, graph):
        self.graph = graph
        self.scopes = {order: graph.scopes(order) for order in graph.orders}
        slots = [self.scopes[order].reshape(-1) for order in graph.orders]
        slots = np.concatenate([*slots, np.zeros(0, "int32")])
        arriving = [np.flatnonzero(slots == variable) for variable in range(graph.num_variables)]
        self.degrees = np.array([len(found) for found in arriving])
        # rows of equal length: behind the last message stands one of zeros
        self.rows = np.full((graph.num_variables, max(self.degrees, default=0)), len(slots))
        for row, found in zip(self.rows, arriving, strict=True):
            row[: len(found)] = found

    def start(self, factors: Factors):
        """Messages of factors to their variables {order: (B, F, order, S)}: all zero."""
        batch = ops.zeros_like(factors.unary[:, :1, None, :])
        return {
            order: batch + np.zeros((*scopes.shape, 1), "float32")
            for order, scopes in self.scopes.items()
        }

    def gather(self, factors: Factors, messages):
        """Sums at the variables (B, V, S), and what each factor hears {order: (B, F, order, S)}."""
        states = self.graph.num_states
        flat = [
            ops.reshape(messages[order], (-1, scopes.size, states))
            for order, scopes in self.scopes.items()
        ]
        gathered = factors.unary
        if flat and self.rows.size:
            flat = ops.pad(ops.concatenate(flat, axis=1), [(0, 0), (0, 1), (0, 0)])
            gathered = gathered + ops.sum(ops.take(flat, self.rows, axis=1), axis=2)
        arriving = {
            order: ops.take(gathered, scopes, axis=1) - messages[order]
            for order, scopes in self.scopes.items()
        }
        return gathered, arriving


def send(links, factors, rounds, damping, reduce):
    """Messages {order: (B, F, order, S)} after some rounds, their largest entry at 0.

    Raises:
        ValueError: if `rounds` or `damping` do not fit.
    """
    if type(rounds) is not int or rounds < 1 or not 0 <= damping < 1:
        raise ValueError(
            "`rounds` must be an integer of at least 1 and `damping` in [0, 1). "
            f"Received: rounds={rounds!r}, damping={damping!r}."
        )

    def one_round(_, messages):
        arriving = links.gather(factors, messages)[1]
        return {
            order: damping * messages[order]
            + (1.0 - damping) * _leaving(factors.tables[order], heard, reduce)
            for order, heard in arriving.items()
        }

    return ops.fori_loop(0, rounds, one_round, links.start(factors)) if links.scopes else {}


def _leaving(table, heard, reduce):
    """What factors (B, F, S, ...) say to each of their variables, having heard (B, F, k, S)."""
    order = heard.shape[2]
    joint, said = with_arriving(table, heard), []
    for place in range(order):
        others = [2 + axis for axis in range(order) if axis != place]
        message = reduce(joint, axis=others) - heard[:, :, place]
        said.append(message - ops.max(message, axis=-1, keepdims=True))
    return ops.stack(said, axis=2)


def with_arriving(table, heard):
    """Tables (B, F, S, ...) plus messages (B, F, k, S), each along the axis of its variable."""
    order, states = heard.shape[2], heard.shape[3]
    for place in range(order):
        shape = [-1, heard.shape[1], *[1] * order]
        shape[2 + place] = states
        table = table + ops.reshape(heard[:, :, place], shape)
    return table


def softmax_of_factors(x):
    """Softmax over all axes but the first two."""
    axes = tuple(range(2, x.ndim))
    x = ops.exp(x - ops.max(x, axis=axes, keepdims=True))
    return x / ops.sum(x, axis=axes, keepdims=True)


def _bethe(links, factors, beliefs):
    """Expected score plus Bethe entropy (B,)."""
    own = plain_entropy(beliefs.unary, 1) * (1.0 - links.degrees.astype("float32"))
    total = ops.sum(own, axis=-1) + beliefs.score(factors)
    for order, joint in beliefs.factors.items():
        total = total + ops.sum(plain_entropy(joint, order), axis=-1)
    return total
