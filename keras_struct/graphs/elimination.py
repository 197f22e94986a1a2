"""In which order variables are summed out, and how large the tables become."""

from typing import NamedTuple

from keras_struct.graphs.factor_graph import FactorGraph


class Bucket(NamedTuple):
    """One step of elimination.

    Args:
        variable: int, the variable that is summed out.
        separator: ints ascending in the order of elimination, what it is tied to then; the first
            of them is the bucket that takes the result.
        factors: indices of `graph.factors` whose first variable to go is this one.
    """

    variable: int
    separator: tuple[int, ...]
    factors: tuple[int, ...]


def elimination_order(graph: FactorGraph) -> list[int]:
    """Variables in an order that keeps tables small: next is the one that ties fewest new pairs.

    Ties between candidates are decided by fewest neighbours, then by number.

    Source: min-fill, Koller and Friedman 2009, Probabilistic Graphical Models, section 9.4.3.2.
    """
    around = dict(enumerate(graph.neighbours()))
    order = []
    while around:
        variable = min(around, key=lambda v: (_fill(around, v), len(around[v]), v))
        _eliminate(around, variable)
        order.append(variable)
    return order


def buckets(graph: FactorGraph, order=None) -> list[Bucket]:
    """The steps of elimination, in their order.

    Args:
        graph: a `FactorGraph`.
        order: variables, all of them once; None for `elimination_order`.

    Raises:
        ValueError: if `order` is not one of all variables.

    Source: bucket elimination, Dechter 1999, Artificial Intelligence 113.
    """
    order = elimination_order(graph) if order is None else list(order)
    if sorted(order) != list(range(graph.num_variables)):
        raise ValueError(
            f"`order` must hold each of {graph.num_variables} variables once. Received: {order}."
        )
    rank = {variable: step for step, variable in enumerate(order)}
    own = {variable: [] for variable in order}
    for index, factor in enumerate(graph.factors):
        own[min(factor, key=rank.get)].append(index)
    around, steps = dict(enumerate(graph.neighbours())), []
    for variable in order:
        near = _eliminate(around, variable)
        separator = tuple(sorted(near, key=rank.get))
        steps.append(Bucket(variable, separator, tuple(own[variable])))
    return steps


def treewidth_bound(graph: FactorGraph) -> int:
    """An upper bound of the treewidth: the largest separator of `buckets`; 1 for a tree."""
    return max((len(step.separator) for step in buckets(graph)), default=0)


def _eliminate(around, variable):
    """Take a variable out of {variable: neighbours} and tie its neighbours; return these."""
    near = around.pop(variable)
    for one in near:
        around[one] = (around[one] | near) - {one, variable}
    return near


def _fill(around, variable):
    near = sorted(around[variable])
    return sum(
        other not in around[one] for index, one in enumerate(near) for other in near[index + 1 :]
    )
