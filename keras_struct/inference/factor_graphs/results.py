"""What inference on a factor graph gives, and what follows from it."""

from typing import NamedTuple

from keras import ops

from keras_struct.inference.factor_graphs.potentials import factors_of


class Beliefs(NamedTuple):
    """Marginals of a factor graph.

    Args:
        log_partition: (B,) float32; for approximate methods their value in its place.
        unary: (B, V, S) float32, probability of each state of each variable.
        factors: {order: (B, F, S, ..., S)} float32, joint probabilities of each factor.
    """

    log_partition: object
    unary: object
    factors: dict

    def score(self, factors):
        """Expected sum (B,) of the potentials of `Factors`."""
        total = ops.sum(_weighted(self.unary, factors.unary), axis=(1, 2))
        for order, tables in factors.tables.items():
            weighted = _weighted(self.factors[order], tables)
            total = total + ops.sum(weighted, axis=tuple(range(1, order + 2)))
        return total


def entropy(graph, potentials, beliefs, mask=None):
    """Entropy (B,) in nats: the log partition less the expected score.

    Exact where the beliefs are; for approximate methods that of their approximation.
    """
    return beliefs.log_partition - expected_score(graph, potentials, beliefs, mask)


def expected_score(graph, potentials, beliefs, mask=None):
    """Sum of the potentials (B,), weighted by beliefs."""
    return beliefs.score(factors_of(graph, potentials, mask))


def plain_entropy(probabilities, axes):
    """Entropy in nats over the last `axes` axes."""
    logs = ops.log(ops.where(probabilities > 0, probabilities, 1.0))
    return -ops.sum(probabilities * logs, axis=tuple(range(-axes, 0)))


def moment_matched(graph, potentials, beliefs, mask=None):
    """The log partition (B,) with a gradient: that of a log partition is the beliefs.

    Whatever found them, the derivative by each potential is its belief (moment matching). So no
    gradient has to pass through the inference. It has no second derivative.

    Source: Wainwright and Jordan 2008, Graphical Models, Exponential Families, and Variational
    Inference, proposition 3.1.
    """
    fixed = Beliefs(
        ops.stop_gradient(beliefs.log_partition),
        ops.stop_gradient(beliefs.unary),
        {order: ops.stop_gradient(x) for order, x in beliefs.factors.items()},
    )
    moving = expected_score(graph, potentials, fixed, mask)
    return fixed.log_partition + moving - ops.stop_gradient(moving)


def _weighted(belief, potential):
    """Their product, 0 where the belief is: states that are absent have huge potentials."""
    return ops.where(belief > 0, belief * ops.where(belief > 0, potential, 0.0), 0.0)
