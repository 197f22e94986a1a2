"""Convex belief propagation: block-coordinate descent on the dual of the relaxed problem.

Potentials are shifted between factors and variables so that the sum of all maxima, an upper bound
of the best score, gets as low as it can. A block is all messages to one variable and has a closed
form; variables that share no factor are blocks of one step. The bound never rises, and where the
labelling read off reaches it, that labelling is the best one. With a temperature `epsilon` maxima
become soft, and beliefs unique.

Source: Hazan and Shashua 2010, IEEE Transactions on Information Theory 56(12), "norm-product";
Globerson and Jaakkola 2007 (MPLP); Schwing et al. 2011, CVPR (distributed convex BP).
"""

from typing import NamedTuple

from keras import ops

from keras_struct.inference.factor_graphs import belief_propagation as propagation
from keras_struct.inference.factor_graphs.factor_mean_field import colour_groups
from keras_struct.inference.factor_graphs.potentials import ABSENT, Factors, factors_of, score
from keras_struct.inference.factor_graphs.results import Beliefs


class Bound(NamedTuple):
    """A labelling, and how far from the best it can be.

    Args:
        labels: (B, V) int32, 0 where left out.
        score: (B,) float32, of `labels`.
        dual: (B,) float32, no labelling scores higher.
        gap: (B,) float32, `dual` less `score`; 0 says that the labelling is the best.
    """

    labels: object
    score: object
    dual: object
    gap: object


def relaxed_map(graph, potentials, mask=None, rounds=50, counting=(1.0, 1.0)) -> Bound:
    """A labelling by the dual of the linear programming relaxation, with its gap.

    Args:
        graph: a `FactorGraph`.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S), ...}, log space.
        mask: (B, V) bool, or None.
        rounds: int, updates of every block.
        counting: (of variables, of factors), in what shares a block is split up; at least 0 and
            above 0.

    Returns:
        `Bound`.

    Raises:
        ValueError: for potentials or options that do not fit.
    """
    dual = Dual(graph, potentials, mask, 0.0, counting)
    messages = dual.descend(dual.start(), rounds)
    labels = ops.cast(ops.argmax(dual.shared(messages), axis=-1), "int32")
    value, found = dual.value(messages), score(graph, potentials, labels, mask)
    return Bound(labels, found, value, value - found)


def convex_beliefs(
    graph, potentials, mask=None, rounds=50, epsilon=1.0, counting=(1.0, 1.0)
) -> Beliefs:
    """Beliefs of convex belief propagation; their value is an upper bound of the log partition.

    Args:
        graph: as for `relaxed_map`.
        potentials: as for `relaxed_map`.
        mask: as for `relaxed_map`.
        rounds: as for `relaxed_map`.
        epsilon: float > 0, temperature; the bound is one of the log partition at 1.
        counting: as for `relaxed_map`: weights of the entropies of variables and factors.

    Returns:
        `Beliefs`, whose "log_partition" is the dual value.

    Raises:
        ValueError: for potentials or options that do not fit.
    """
    if not epsilon > 0:
        raise ValueError(f"`epsilon` must be above 0. Received: epsilon={epsilon!r}.")
    dual = Dual(graph, potentials, mask, epsilon, counting)
    messages = dual.descend(dual.start(), rounds)
    unary = ops.softmax(dual.shared(messages) / epsilon, axis=-1)
    joint = {
        order: propagation.softmax_of_factors(table / (epsilon * counting[1]))
        for order, table in dual.shifted(messages).items()
    }
    return Beliefs(dual.value(messages), unary, joint)


class Dual:
    """The dual function of a graph, and steps that lower it.

    Messages {order: (B, F, order, S)} are what factors give to their variables.

    Args:
        graph: a `FactorGraph`.
        potentials: see `relaxed_map`.
        mask: (B, V) bool, or None.
        epsilon: float of at least 0, temperature.
        counting: (of variables, of factors), see `relaxed_map`.
    """

    def __init__(self, graph, potentials, mask, epsilon, counting):
        if not counting[0] >= 0 or not counting[1] > 0:
            raise ValueError(
                "`counting` must be (of variables, of factors), at least 0 and above 0. "
                f"Received: counting={counting!r}."
            )
        self.links, self.groups = propagation.Links(graph), colour_groups(graph)
        self.epsilon, (self.of_variables, self.of_factors) = epsilon, counting
        factors = factors_of(graph, potentials, mask)
        self.there = factors.unary > ABSENT / 2
        self.unary = ops.where(self.there, factors.unary, 0.0)
        self.tables = {
            order: self._without_absent(table, order) for order, table in factors.tables.items()
        }
        # a variable without factors has a block of its own potential only
        self.shares = counting[0] + counting[1] * self.links.degrees.astype("float32")
        self.shares[self.links.degrees == 0] = max(counting[0], 1.0)

    def start(self):
        """Messages of which nothing was said yet."""
        return self.links.start(Factors(self.unary, {}))

    def descend(self, messages, rounds):
        """Messages after some rounds over all blocks."""
        if type(rounds) is not int or rounds < 1:
            raise ValueError(
                f"`rounds` must be an integer of at least 1. Received: rounds={rounds!r}."
            )
        if not self.tables:
            return messages
        return ops.fori_loop(0, rounds * len(self.groups), self.step, messages)

    def step(self, number, messages):
        """Messages after one block step: those to one group of variables are the best."""
        heard = self._heard(messages)
        shared = self._shared(heard)
        own = ops.take(self.groups, number % len(self.groups), axis=0)
        found = {}
        for order, scopes in self.links.scopes.items():
            there = ops.take(self.there, scopes, axis=1)
            new = heard[order] - self.of_factors * ops.take(shared, scopes, axis=1)
            changed = ops.logical_and(ops.take(own, scopes)[None, ..., None], there)
            found[order] = ops.where(changed, new, messages[order])
        return found

    def shared(self, messages):
        """What variables and their factors agree on (B, V, S), `ABSENT` for absent states."""
        return ops.where(self.there, self._shared(self._heard(messages)), ABSENT)

    def shifted(self, messages):
        """Tables of factors {order: (B, F, S, ...)} less what they gave away."""
        return {
            order: propagation.with_arriving(table, -messages[order])
            for order, table in self.tables.items()
        }

    def value(self, messages):
        """The dual function (B,)."""
        own = self.links.gather(Factors(self.unary, {}), messages)[0]
        own = ops.where(self.there, own, ABSENT)
        total = ops.sum(self._maximum(own, self.of_variables, (2,)), axis=1)
        for order, table in self.shifted(messages).items():
            axes = tuple(range(2, order + 2))
            total = total + ops.sum(self._maximum(table, self.of_factors, axes), axis=1)
        return total

    def _heard(self, messages):
        """Best scores of each factor for each state of each of its variables, before giving."""
        found = {}
        for order, table in self.shifted(messages).items():
            said = []
            for place in range(order):
                axes = tuple(2 + axis for axis in range(order) if axis != place)
                said.append(
                    self._maximum(table, self.of_factors, axes) + messages[order][:, :, place]
                )
            said = ops.stack(said, axis=2)
            there = ops.take(self.there, self.links.scopes[order], axis=1)
            found[order] = ops.where(there, said, 0.0)
        return found

    def _shared(self, heard):
        gathered = self.links.gather(Factors(self.unary, {}), heard)[0]
        return gathered / self.shares[:, None]

    def _maximum(self, x, weight, axes):
        if self.epsilon * weight == 0:
            return ops.max(x, axis=axes)
        scale = self.epsilon * weight
        return scale * ops.logsumexp(x / scale, axis=axes)

    def _without_absent(self, table, order):
        there = ops.take(self.there, self.links.scopes[order], axis=1)
        penalty = ops.where(there, 0.0, ABSENT)
        return propagation.with_arriving(table, penalty)
