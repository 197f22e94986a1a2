"""Exact inference by summing variables out one after the other: trees, and all of small treewidth.

One recursion, many answers. A sweep forth sums (or maximises) variables out and gives the log
partition (or the best score); a sweep back over the same tables gives beliefs, the best labelling,
or a sample. Time and memory grow as states^(treewidth + 1); the loop over variables is unrolled.

Source: bucket elimination, Dechter 1999, Artificial Intelligence 113; its sweep back is that of
junction trees, Koller and Friedman 2009, Probabilistic Graphical Models, section 10.2.
"""

import keras
from keras import ops

from keras_struct.graphs.elimination import buckets
from keras_struct.inference.factor_graphs.potentials import factors_of, flat_index
from keras_struct.inference.factor_graphs.results import Beliefs

_MOST_ENTRIES = 2**26


def eliminated(graph, potentials, mask=None) -> Beliefs:
    """Log partition and beliefs, exact.

    Args:
        graph: a `FactorGraph`.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S), ...}, log space.
        mask: (B, V) bool, or None; variables left out have all their belief in the first state.

    Returns:
        `Beliefs`.

    Raises:
        ValueError: for potentials that do not fit, or a graph whose tables would be too large.
    """
    steps = _steps(graph)
    tables, messages, total = _forth(graph, factors_of(graph, potentials, mask), steps, _log_sum)
    beliefs, step_of = {}, {step.variable: step for step in steps}
    for step in reversed(steps):
        message = messages[step.variable]
        if step.separator:
            above = step_of[step.separator[0]]
            message = message - _onto(beliefs[above.variable], _scope(above), step.separator)
        beliefs[step.variable] = tables[step.variable] - message[:, None]
    return _collected(graph, steps, beliefs, total)


def eliminated_map(graph, potentials, mask=None):
    """The labelling of highest score, exact.

    Args:
        graph: as for `eliminated`.
        potentials: as for `eliminated`.
        mask: as for `eliminated`.

    Returns:
        (B, V) int32, 0 where left out, and its score (B,) float32.
    """
    steps = _steps(graph)
    tables, _, total = _forth(graph, factors_of(graph, potentials, mask), steps, ops.max)
    return _labelled(graph, steps, tables, None), total


def eliminated_sample(graph, potentials, mask=None, seed=None):
    """A labelling (B, V) int32 for each item, drawn from the distribution of the graph.

    Args:
        graph: as for `eliminated`.
        potentials: as for `eliminated`.
        mask: as for `eliminated`.
        seed: int or `keras.random.SeedGenerator`.
    """
    steps = _steps(graph)
    factors = factors_of(graph, potentials, mask)
    tables, _, _ = _forth(graph, factors, steps, _log_sum)
    uniform = keras.random.uniform(ops.shape(factors.unary), 1e-20, 1.0, seed=seed)
    return _labelled(graph, steps, tables, -ops.log(-ops.log(uniform)))


def _steps(graph):
    steps = buckets(graph)
    largest = max(graph.num_states ** (1 + len(step.separator)) for step in steps)
    if largest > _MOST_ENTRIES:
        raise ValueError(
            "`graph` must have a small treewidth for exact inference: a table would have "
            f"{largest:,} entries, {_MOST_ENTRIES:,} are allowed. Received: {graph}. Take belief "
            "propagation, mean field or the dual relaxation."
        )
    return steps


def _scope(step):
    return (step.variable, *step.separator)


def _forth(graph, factors, steps, reduce):
    """Tables (B, S, S, ...) over the scope of each step, messages without it, and their total."""
    place = {}
    for order in graph.orders:
        indices = [i for i, factor in enumerate(graph.factors) if len(factor) == order]
        place.update({index: (order, row) for row, index in enumerate(indices)})
    arriving, tables, messages, total = {}, {}, {}, 0.0
    for step in steps:
        scope = _scope(step)
        table = _aligned(factors.unary[:, step.variable], (step.variable,), scope)
        for index in step.factors:
            order, row = place[index]
            table = table + _aligned(factors.tables[order][:, row], graph.factors[index], scope)
        for message, separator in arriving.pop(step.variable, []):
            table = table + _aligned(message, separator, scope)
        message = reduce(table, axis=1)
        tables[step.variable], messages[step.variable] = table, message
        if step.separator:
            # what is common to all states goes to the total at once, so that float32 lasts longer
            common = ops.max(message, axis=tuple(range(1, message.ndim)), keepdims=True)
            arriving.setdefault(step.separator[0], []).append((message - common, step.separator))
            total = total + ops.reshape(common, (-1,))
        else:
            total = total + message
    return tables, messages, total


def _labelled(graph, steps, tables, noise):
    """Labels (B, V), each the best given those that were eliminated later."""
    states, labels = graph.num_states, {}
    for step in reversed(steps):
        table = tables[step.variable]
        if step.separator:
            table = ops.broadcast_to(table, (ops.shape(table)[0], *[states] * (table.ndim - 1)))
            table = ops.reshape(table, (-1, states, states ** len(step.separator)))
            known = ops.stack([labels[variable] for variable in step.separator], axis=-1)
            index = flat_index(known, states)[:, None, None]
            index = ops.broadcast_to(index, (ops.shape(table)[0], states, 1))
            table = ops.take_along_axis(table, index, axis=2)[..., 0]
        table = table if noise is None else table + noise[:, step.variable]
        labels[step.variable] = ops.cast(ops.argmax(table, axis=-1), "int32")
    return ops.stack([labels[variable] for variable in range(graph.num_variables)], axis=1)


def _collected(graph, steps, beliefs, total):
    unary, found = {}, {}
    for step in steps:
        log_belief, scope = beliefs[step.variable], _scope(step)
        unary[step.variable] = ops.exp(_onto(log_belief, scope, (step.variable,)))
        for index in step.factors:
            found[index] = ops.exp(_onto(log_belief, scope, graph.factors[index]))
    factors = {
        order: ops.stack(
            [found[i] for i, factor in enumerate(graph.factors) if len(factor) == order], axis=1
        )
        for order in graph.orders
    }
    variables = range(graph.num_variables)
    return Beliefs(total, ops.stack([unary[variable] for variable in variables], axis=1), factors)


def _aligned(x, own, scope):
    """(B, S, ...) over the variables `own`, with an axis for every variable of `scope`."""
    order = sorted(range(len(own)), key=lambda axis: scope.index(own[axis]))
    x = ops.transpose(x, (0, *[1 + axis for axis in order]))
    for axis, variable in enumerate(scope):
        if variable not in own:
            x = ops.expand_dims(x, 1 + axis)
    return x


def _onto(x, scope, target):
    """Log marginal of a log belief over `scope` on the variables `target`, in their order."""
    gone = [1 + axis for axis, variable in enumerate(scope) if variable not in target]
    x = ops.logsumexp(x, axis=gone) if gone else x
    left = [variable for variable in scope if variable in target]
    return ops.transpose(x, (0, *[1 + left.index(variable) for variable in target]))


def _log_sum(x, axis):
    return ops.logsumexp(x, axis=axis)
