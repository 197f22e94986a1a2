"""Factor graphs of usual shapes."""

from keras_struct.graphs.factor_graph import FactorGraph


def from_edges(edges, states, tables=None):
    """A graph of pairwise factors.

    Args:
        edges: pairs of variables.
        states: int for each variable.
        tables: int for each edge, see `FactorGraph`; None for a table each.
    """
    return FactorGraph(states, edges, tables)


def chain(length, states, order=1, shared=True):
    """Variables in a row, each tied to the `order` next ones by pairwise factors.

    Args:
        length: int, variables.
        states: int, of each.
        order: int, longest distance of two that are tied.
        shared: bool, whether pairs of one distance share their table. If not, each has its own.

    Raises:
        ValueError: if an argument is below 1.
    """
    _check(length=length, states=states, order=order)
    pairs = [(t, t + d, d - 1) for d in range(1, order + 1) for t in range(length - d)]
    return _graph([states] * length, pairs, shared)


def grid(height, width, states, neighbours=4, shared=True):
    """Variables on a grid, in rows, tied to their neighbours.

    Args:
        height: int, rows.
        width: int, columns.
        states: int, of each.
        neighbours: 4, or 8 with the diagonals.
        shared: bool, whether pairs of one direction share their table: right, down and, with 8,
            down-right and down-left.

    Raises:
        ValueError: if an argument is below 1, or `neighbours` neither 4 nor 8.
    """
    _check(height=height, width=width, states=states)
    if neighbours not in (4, 8):
        raise ValueError(f"`neighbours` must be 4 or 8. Received: neighbours={neighbours!r}.")
    steps = [(0, 1), (1, 0), (1, 1), (1, -1)][: neighbours // 2]
    pairs = []
    for direction, (down, right) in enumerate(steps):
        for row in range(height - down):
            for column in range(max(0, -right), width - max(0, right)):
                here = row * width + column
                pairs.append((here, here + down * width + right, direction))
    return _graph([states] * (height * width), pairs, shared)


def complete(count, states, shared=False):
    """Every pair of variables tied.

    Args:
        count: int, variables.
        states: int, of each.
        shared: bool, whether all pairs share one table.

    Raises:
        ValueError: if an argument is below 1.
    """
    _check(count=count, states=states)
    pairs = [(i, j, 0) for i in range(count) for j in range(i + 1, count)]
    return _graph([states] * count, pairs, shared)


def tree(edges, states, tables=None):
    """As `from_edges`, for edges without a cycle.

    Raises:
        ValueError: if there is a cycle.
    """
    graph = from_edges(edges, states, tables)
    if not graph.is_forest():
        raise ValueError(f"`edges` must have no cycle. Received: edges={list(edges)}.")
    return graph


def _graph(states, pairs, shared):
    """Factors (i, j) of (i, j, kind); a table for each kind that occurs, or for each pair."""
    kinds = {kind: index for index, kind in enumerate(sorted({kind for *_, kind in pairs}))}
    tables = [kinds[kind] for *_, kind in pairs] if shared else None
    return FactorGraph(states, [(i, j) for i, j, _ in pairs], tables)


def _check(**sizes):
    for name, value in sizes.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"`{name}` must be an integer of at least 1. Received: {value!r}.")
