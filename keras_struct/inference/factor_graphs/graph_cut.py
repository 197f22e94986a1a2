"""Best labellings by minimum cuts: exact for two states that like to agree, and alpha expansion.

Runs in numpy and SciPy's maximum flow (keras-struct[cuts]), on one item at a time; nothing is
differentiated. Scores are rounded to a grid of 2^-20 of the largest one, as its flows are whole.

Source: Kolmogorov and Zabih 2004, IEEE TPAMI 26(2) (which energies, how to build the graph);
Boykov, Veksler and Zabih 2001, IEEE TPAMI 23(11) (alpha expansion).
"""

import numpy as np

from keras_struct.inference.factor_graphs.potentials import check

_GRID = 2**20
_SLACK = 1e-6


def graph_cut(graph, potentials, mask=None):
    """The labelling of highest score of a graph of two states whose pairs like to agree.

    Args:
        graph: a `FactorGraph` of two states a variable and pairwise factors.
        potentials: {"unary": (B, V, 2), "pairwise": (B or 1, T, 2, 2)} arrays, log space.
        mask: (B, V) bool, or None.

    Returns:
        (B, V) int32 numpy array, 0 where left out.

    Raises:
        ValueError: if there are other states or factors, or a table has [0, 0] + [1, 1] below
            [0, 1] + [1, 0].
    """
    check(graph, potentials)
    if set(graph.states) != {2} or graph.orders not in ((), (2,)):
        raise ValueError(
            "`graph` must have two states a variable and pairwise factors only. "
            f"Received: {graph} with states {sorted(set(graph.states))} and orders {graph.orders}."
        )
    labels = []
    for item in _items(graph, potentials, mask):
        found = _cut(item.unary, item.edges, item.tables, "potentials")
        labels.append(np.where(item.there, found, 0).astype("int32"))
    return np.stack(labels)


def alpha_expansion(graph, potentials, mask=None, sweeps=5):
    """A labelling that no switch of any set of variables to one state makes better.

    Args:
        graph: a `FactorGraph` of pairwise factors, all variables of as many states.
        potentials: {"unary": (B, V, S), "pairwise": (B or 1, T, S, S)} arrays, log space.
        mask: (B, V) bool, or None.
        sweeps: int, most passes over all states; it ends before if a pass changes nothing.

    Returns:
        (B, V) int32 numpy array, 0 where left out. For Potts tables its energy is within a factor
        of two of the best.

    Raises:
        ValueError: if there are other states or factors, or a switch is no such cut, because a
            table is no (negated) metric.
    """
    check(graph, potentials)
    if len(set(graph.states)) > 1 or graph.orders not in ((), (2,)):
        raise ValueError(
            "`graph` must have variables of as many states and pairwise factors only. "
            f"Received: {graph}."
        )
    return np.stack(
        [_expanded(item, graph.num_states, sweeps) for item in _items(graph, potentials, mask)]
    )


class _Item:
    """Potentials of one item in float64, without what is left out."""

    def __init__(self, unary, edges, tables, there):
        together = there[edges].all(axis=1)
        self.unary = np.where(there[:, None], unary, 0.0)
        self.edges, self.tables = edges[together], tables[together]
        self.there = there

    def score(self, labels):
        own = self.unary[np.arange(len(labels)), labels].sum()
        first, second = labels[self.edges].T
        return own + self.tables[np.arange(len(self.tables)), first, second].sum()


def _items(graph, potentials, mask):
    unary = np.asarray(potentials["unary"], "float64")
    states = graph.num_states
    tables = np.asarray(potentials.get("pairwise", np.zeros((1, 0, states, states))), "float64")
    tables = tables[:, graph.tables_of(2)]
    mask = np.ones(unary.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    for index, there in enumerate(mask):
        own = tables[index if len(tables) > 1 else 0]
        yield _Item(unary[index], graph.scopes(2), own, there)


def _expanded(item, states, sweeps):
    labels = np.where(item.there, item.unary.argmax(axis=1), 0).astype("int32")
    for _ in range(sweeps):
        before = labels
        for state in range(states):
            labels = _switched(item, labels, state)
        if item.score(labels) <= item.score(before):
            return before
    return labels


def _switched(item, labels, state):
    """Labels after the best switch of any variables to a state."""
    rows = np.arange(len(labels))
    unary = np.stack([item.unary[rows, labels], item.unary[:, state]], axis=1)
    first, second = labels[item.edges].T
    own = np.arange(len(item.tables))
    tables = np.empty((len(own), 2, 2))
    tables[:, 0, 0] = item.tables[own, first, second]
    tables[:, 0, 1] = item.tables[own, first, state]
    tables[:, 1, 0] = item.tables[own, state, second]
    tables[:, 1, 1] = item.tables[own, state, state]
    switch = _cut(unary, item.edges, tables, f"potentials for a switch to state {state}")
    found = np.where((switch == 1) & item.there, state, labels).astype("int32")
    return found if item.score(found) > item.score(labels) else labels


def _cut(unary, edges, tables, what):
    """Labels (V,) of the highest score: those reached from the source have 0."""
    cost, tables = -unary, -tables
    agree = tables[:, 0, 1] + tables[:, 1, 0] - tables[:, 0, 0] - tables[:, 1, 1]
    largest = max(np.abs(cost).max(initial=0), np.abs(tables).max(initial=0), 1e-30)
    if (agree < -_SLACK * largest).any():
        worst = int(agree.argmin())
        raise ValueError(
            f"`{what}` must like to agree, [0, 0] + [1, 1] >= [0, 1] + [1, 0] for every factor. "
            f"Received: {(-tables[worst]).tolist()} for factor {tuple(edges[worst].tolist())}. "
            "Take belief propagation or the dual relaxation."
        )
    # what it costs a variable to be 1 rather than 0
    lean = cost[:, 1] - cost[:, 0]
    np.add.at(lean, edges[:, 0], tables[:, 1, 0] - tables[:, 0, 0])
    np.add.at(lean, edges[:, 1], tables[:, 1, 1] - tables[:, 1, 0])
    source, sink = len(unary), len(unary) + 1
    variables = np.arange(len(unary))
    starts = np.concatenate([edges[:, 0], np.where(lean > 0, source, variables)])
    ends = np.concatenate([edges[:, 1], np.where(lean > 0, variables, sink)])
    room = np.concatenate([np.maximum(agree, 0.0), np.abs(lean)])
    room = np.rint(room * (_GRID / max(room.max(initial=0), 1e-30))).astype("int32")
    reached = _source_side(room, starts, ends, source, sink)
    labels = np.ones(len(unary), "int32")
    labels[reached[reached < len(unary)]] = 0
    return labels


def _source_side(room, starts, ends, source, sink):
    """Nodes that the source still reaches behind a maximum flow."""
    try:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import breadth_first_order, maximum_flow
    except ImportError:
        raise ImportError("Graph cuts need SciPy: pip install keras-struct[cuts]") from None
    network = coo_array((room, (starts, ends)), shape=(sink + 1, sink + 1)).tocsr()
    left = network - maximum_flow(network, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    return breadth_first_order(left, source, return_predecessors=False)
