import brute_graph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_struct import graphs
from keras_struct.inference.factor_graphs import belief_propagation as propagation
from keras_struct.inference.factor_graphs import elimination, potentials


@st.composite
def trees(draw):
    """Factors of two and three variables without a cycle."""
    states, factors = [draw(st.integers(1, 3))], []
    for _ in range(draw(st.integers(0, 4))):
        new = draw(st.integers(1, 2))
        old = draw(st.integers(0, len(states) - 1))
        factors.append((old, *range(len(states), len(states) + new)))
        states += draw(st.lists(st.integers(1, 3), min_size=new, max_size=new))
    return graphs.FactorGraph(states, factors)


@settings(max_examples=8, deadline=None)
@given(trees(), st.integers(0, 99), st.booleans())
def test_exact_on_trees(graph, seed, masked):
    rng = np.random.default_rng(seed)
    given = brute_graph.random_potentials(graph, rng)
    mask = rng.uniform(size=(2, graph.num_variables)) < 0.7 if masked else None
    found = propagation.belief_propagation(graph, given, mask, rounds=8)
    plain = elimination.eliminated(graph, given, mask)
    np.testing.assert_allclose(found.log_partition, plain.log_partition, atol=1e-3)
    np.testing.assert_allclose(found.unary, plain.unary, atol=1e-4)
    for order in graph.orders:
        np.testing.assert_allclose(found.factors[order], plain.factors[order], atol=1e-4)
    labels = propagation.max_product(graph, given, mask, rounds=8)
    score = potentials.score(graph, given, labels, mask)
    np.testing.assert_allclose(score, elimination.eliminated_map(graph, given, mask)[1], atol=1e-3)


@pytest.mark.agnostic
def test_near_on_a_grid_with_weak_ties_and_damping_moves_no_fixed_point():
    graph = graphs.grid(3, 3, 2)
    given = brute_graph.random_potentials(graph, np.random.default_rng(5), scale=0.4)
    plain = elimination.eliminated(graph, given)
    straight = propagation.belief_propagation(graph, given, rounds=60)
    damped = propagation.belief_propagation(graph, given, rounds=120, damping=0.5)
    np.testing.assert_allclose(straight.unary, plain.unary, atol=0.01)
    np.testing.assert_allclose(straight.log_partition, plain.log_partition, atol=0.05)
    np.testing.assert_allclose(damped.unary, straight.unary, atol=1e-4)
    first = ops.take(straight.unary, graph.scopes()[:, 0], axis=1)
    np.testing.assert_allclose(ops.sum(straight.factors[2], axis=3), first, atol=1e-4)


def test_options_that_do_not_fit():
    graph = graphs.chain(2, 2)
    given = brute_graph.random_potentials(graph, np.random.default_rng(0))
    for options in ({"rounds": 0}, {"damping": 1.0}):
        with pytest.raises(ValueError, match="`rounds` must be an integer"):
            propagation.belief_propagation(graph, given, **options)
