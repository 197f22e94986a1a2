import brute_graph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_struct import graphs
from keras_struct.inference.factor_graphs import chains, elimination


def same_as_elimination(graph, scale=1.5, seed=0, mask=None):
    given = brute_graph.random_potentials(graph, np.random.default_rng(seed), scale=scale)
    found, plain = chains.chained(graph, given, mask), elimination.eliminated(graph, given, mask)
    np.testing.assert_allclose(found.log_partition, plain.log_partition, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(found.unary, plain.unary, atol=3e-5)
    for order in graph.orders:
        np.testing.assert_allclose(found.factors[order], plain.factors[order], atol=3e-5)
    labels, score = chains.chained_map(graph, given, mask)
    plain_labels, plain_score = elimination.eliminated_map(graph, given, mask)
    np.testing.assert_array_equal(labels, plain_labels)
    np.testing.assert_allclose(score, plain_score, rtol=2e-5, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_chains_of_any_order_are_as_elimination(length, states, order, shared, seed):
    same_as_elimination(graphs.chain(length, states, order, shared), seed=seed)


@pytest.mark.agnostic
@pytest.mark.parametrize("order", [1, 2])
def test_variables_left_out_even_in_the_middle(order):
    mask = np.array([[1, 1, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0]], "bool")
    same_as_elimination(graphs.chain(6, 3, order), mask=mask)


@pytest.mark.agnostic
def test_scores_far_apart_lose_nothing():
    same_as_elimination(graphs.chain(6, 3), scale=300.0)


def test_order_is_seen_whatever_the_order_of_factors():
    graph = graphs.FactorGraph([2] * 4, [(2, 3), (0, 2), (0, 1), (1, 2), (1, 3)])
    assert chains.chain_order(graph) == 2
    same_as_elimination(graph)
    for factors in ([(1, 0), (1, 2)], [(0, 1)], [(0, 1), (1, 2), (0, 1)], [(0, 2)]):
        assert chains.chain_order(graphs.FactorGraph([2] * 3, factors)) is None
    assert chains.chain_order(graphs.FactorGraph([2, 3], [(0, 1)])) is None
    with pytest.raises(ValueError, match="`graph` must be a chain"):
        chains.chained(graphs.grid(2, 2, 2), {})
