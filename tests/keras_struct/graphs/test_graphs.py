import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_struct import graphs


def pairs_of(graph):
    return {tuple(sorted(factor)) for factor in graph.factors}


def test_chains_share_a_table_for_each_distance():
    graph = graphs.chain(5, 3, order=2)
    assert pairs_of(graph) == {(0, 1), (1, 2), (2, 3), (3, 4), (0, 2), (1, 3), (2, 4)}
    assert graph.num_tables() == 2 and graphs.treewidth_bound(graph) == 2
    distances = np.diff(graph.scopes(), axis=1)[:, 0]
    np.testing.assert_array_equal(graph.tables_of(), distances - 1)
    assert graphs.chain(5, 3, order=2, shared=False).num_tables() == 7
    assert graphs.chain(1, 3).orders == () and graphs.chain(2, 3, order=4).num_tables() == 1


@pytest.mark.parametrize("neighbours", [4, 8])
def test_grids_tie_cells_that_touch_and_share_by_direction(neighbours):
    graph = graphs.grid(3, 4, 2, neighbours)
    cells = list(itertools.product(range(3), range(4)))
    plain = set()
    for i, j in itertools.combinations(range(12), 2):
        apart = np.abs(np.subtract(cells[i], cells[j]))
        if apart.max() == 1 and (neighbours == 8 or apart.sum() == 1):
            plain.add((i, j))
    assert pairs_of(graph) == plain and len(graph.factors) == len(plain)
    steps = {}
    for (i, j), table in zip(graph.factors, graph.tables, strict=True):
        steps.setdefault(table, set()).add(tuple(np.subtract(cells[j], cells[i]).tolist()))
    assert all(len(found) == 1 for found in steps.values()) and len(steps) == neighbours // 2


def test_complete_graphs_and_their_treewidth():
    graph = graphs.complete(5, 2)
    assert pairs_of(graph) == set(itertools.combinations(range(5), 2))
    assert graphs.treewidth_bound(graph) == 4 and not graph.is_forest()
    assert graphs.treewidth_bound(graphs.grid(4, 4, 2)) == 4


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.data())
def test_a_random_tree_is_a_forest_until_an_edge_closes_a_cycle(count, data):
    edges = [(data.draw(st.integers(0, child - 1)), child) for child in range(1, count)]
    graph = graphs.tree(edges, [2] * count)
    assert graph.is_forest() and graphs.treewidth_bound(graph) == 1
    extra = data.draw(st.sampled_from(list(itertools.combinations(range(count), 2))))
    with pytest.raises(ValueError, match="`edges` must have no cycle"):
        graphs.tree([*edges, extra], [2] * count)


def test_every_factor_has_one_bucket_and_fits_in():
    graph = graphs.FactorGraph([2] * 6, [(0, 1, 2), (2, 3), (3, 4), (4, 0), (5, 1)])
    seen = []
    for step in graphs.buckets(graph):
        scope = {step.variable, *step.separator}
        assert all(set(graph.factors[index]) <= scope for index in step.factors)
        seen += step.factors
    assert sorted(seen) == list(range(5))


def test_graphs_come_back_from_their_configuration():
    graph = graphs.FactorGraph([2, 3], [(0, 1), (1, 0)], tables=[0, 0])
    other = graphs.FactorGraph.from_config(graph.get_config())
    assert other == graph and hash(other) == hash(graph)
    assert graph != graphs.FactorGraph([2, 3], [(0, 1), (1, 0)])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: graphs.FactorGraph([2, 0]), "`states` must be whole numbers"),
        (lambda: graphs.FactorGraph([2, 2], [(0, 0)]), "`factors` must each tie"),
        (lambda: graphs.FactorGraph([2, 2], [(0, 2)]), "`factors` must each tie"),
        (lambda: graphs.FactorGraph([2, 2], [(0, 1)], [1]), "without a gap"),
        (lambda: graphs.FactorGraph([2, 2], [(0, 1)], []), "a number for each factor"),
        (lambda: graphs.chain(0, 2), "`length` must be an integer"),
        (lambda: graphs.grid(2, 2, 2, neighbours=6), "`neighbours` must be 4 or 8"),
        (lambda: graphs.buckets(graphs.chain(3, 2), [0, 1]), "`order` must hold each of 3"),
    ],
)
def test_what_does_not_fit(make, message):
    with pytest.raises(ValueError, match=message):
        make()
