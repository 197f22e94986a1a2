import brute_graph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_struct import graphs
from keras_struct.inference.factor_graphs import dual_relaxation as relaxation
from keras_struct.inference.factor_graphs import elimination

MIXED = graphs.FactorGraph([2, 3, 2, 3, 2], [(0, 1), (1, 2, 3), (3, 0), (2, 0)])
GRAPHS = [graphs.grid(2, 3, 2), graphs.complete(4, 3), MIXED]


@pytest.mark.parametrize(
    "graph, epsilon, counting",
    [
        (GRAPHS[0], 0.0, (1, 1)),
        (GRAPHS[1], 0.0, (0, 1)),
        (MIXED, 0.0, (0, 1)),
        (MIXED, 0.7, (1, 1)),
    ],
)
def test_no_block_step_raises_the_dual_and_it_bounds_every_labelling(graph, epsilon, counting):
    given = brute_graph.random_potentials(graph, np.random.default_rng(1))
    mask = np.array([[1] * graph.num_variables, [1, 0] + [1] * (graph.num_variables - 2)], "bool")
    dual = relaxation.Dual(graph, given, mask, epsilon, counting)
    messages, values = dual.start(), []
    for number in range(4 * len(dual.groups)):
        values.append(ops.convert_to_numpy(dual.value(messages)))
        messages = dual.step(number, messages)
    assert (np.diff(values, axis=0) <= 1e-4).all() and (values[0] > values[-1] + 0.1).all()
    best = ops.convert_to_numpy(elimination.eliminated_map(graph, given, mask)[1])
    assert (values[-1] >= best - 1e-4).all()


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 6), st.integers(0, 99), st.data())
def test_no_gap_on_trees(count, seed, data):
    edges = [(data.draw(st.integers(0, child - 1)), child) for child in range(1, count)]
    graph = graphs.tree(
        edges, data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    )
    given = brute_graph.random_potentials(graph, np.random.default_rng(seed))
    found = relaxation.relaxed_map(graph, given, rounds=60)
    best = elimination.eliminated_map(graph, given)[1]
    np.testing.assert_allclose(found.dual, best, atol=2e-2)
    np.testing.assert_allclose(found.dual, found.score + found.gap, atol=1e-4)


@pytest.mark.agnostic
def test_the_soft_dual_bounds_the_log_partition_and_beliefs_agree():
    graph = GRAPHS[0]
    given = brute_graph.random_potentials(graph, np.random.default_rng(2), scale=0.8)
    found = relaxation.convex_beliefs(graph, given, rounds=100)
    exact = elimination.eliminated(graph, given)
    assert (ops.convert_to_numpy(found.log_partition - exact.log_partition) > 0).all()
    first = ops.take(found.unary, graph.scopes()[:, 0], axis=1)
    np.testing.assert_allclose(ops.sum(found.factors[2], axis=3), first, atol=1e-3)


def test_options_that_do_not_fit():
    graph = graphs.chain(2, 2)
    given = brute_graph.random_potentials(graph, np.random.default_rng(0))
    with pytest.raises(ValueError, match="`counting` must be"):
        relaxation.relaxed_map(graph, given, counting=(1.0, 0.0))
    with pytest.raises(ValueError, match="`rounds` must be"):
        relaxation.relaxed_map(graph, given, rounds=0)
    with pytest.raises(ValueError, match="`epsilon` must be"):
        relaxation.convex_beliefs(graph, given, epsilon=0.0)
