import brute_graph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_struct import graphs
from keras_struct.inference.factor_graphs import elimination, potentials, results


@st.composite
def small_graphs(draw):
    states = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    variables = range(len(states))
    factor = st.lists(st.sampled_from(variables), min_size=2, max_size=3, unique=True)
    factors = draw(st.lists(factor, max_size=5)) if len(states) > 1 else []
    return graphs.FactorGraph(states, factors)


def check_exact(graph, seed=0, mask=None):
    given = brute_graph.random_potentials(graph, np.random.default_rng(seed))
    batch_mask = None if mask is None else np.array([mask] * 2)
    beliefs = elimination.eliminated(graph, given, batch_mask)
    labels, best = elimination.eliminated_map(graph, given, batch_mask)
    entropy = results.entropy(graph, given, beliefs, batch_mask)
    stacked = potentials.score(graph, given, labels, batch_mask)
    for item in range(2):
        total, unary, factors, plain_entropy = brute_graph.marginals(graph, given, item, mask)
        np.testing.assert_allclose(beliefs.log_partition[item], total, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(beliefs.unary[item], unary, atol=1e-5)
        np.testing.assert_allclose(entropy[item], plain_entropy, atol=1e-4)
        places = {order: 0 for order in graph.orders}
        for factor, table in zip(graph.factors, factors, strict=True):
            found = beliefs.factors[len(factor)][item, places[len(factor)]]
            places[len(factor)] += 1
            np.testing.assert_allclose(found, table, atol=1e-5)
        plain = brute_graph.scores(graph, given, item, mask)
        np.testing.assert_allclose(best[item], plain.max(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(stacked[item], plain.max(), rtol=1e-4, atol=1e-5)
        chosen = brute_graph.labellings(graph, mask)[int(plain.argmax())]
        if np.ptp(np.sort(plain)[-2:]) > 1e-4 if len(plain) > 1 else True:
            np.testing.assert_array_equal(labels[item], chosen)


@settings(max_examples=10, deadline=None)
@given(small_graphs(), st.integers(0, 999))
def test_everything_is_that_of_enumeration(graph, seed):
    check_exact(graph, seed)


@settings(max_examples=6, deadline=None)
@given(small_graphs(), st.data())
def test_variables_left_out_are_as_if_the_graph_lacked_them(graph, data):
    count = graph.num_variables
    check_exact(graph, mask=data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))


@pytest.mark.agnostic
@pytest.mark.parametrize(
    "graph",
    [graphs.chain(4, 3, order=2), graphs.grid(2, 3, 2, neighbours=8), graphs.complete(4, 2)],
)
def test_graphs_of_usual_shapes(graph):
    check_exact(graph)


def test_zero_potentials_count_the_labellings():
    graph = graphs.FactorGraph([2, 3, 4], [(0, 1), (2, 1)])
    given = {"unary": np.zeros((1, 3, 4)), "pairwise": np.zeros((1, 2, 4, 4))}
    found = elimination.eliminated(graph, given).log_partition
    np.testing.assert_allclose(np.exp(found), [24.0], rtol=1e-5)


@pytest.mark.agnostic
def test_samples_come_as_often_as_they_are_likely():
    graph = graphs.chain(3, 2, order=2)
    given = brute_graph.random_potentials(graph, np.random.default_rng(3), batch=1)
    many = {name: np.repeat(x, 4000, 0) if name == "unary" else x for name, x in given.items()}
    drawn = ops.convert_to_numpy(elimination.eliminated_sample(graph, many, seed=1))
    places, counts = np.unique(drawn @ [4, 2, 1], return_counts=True)
    shares = np.zeros(8)
    shares[places] = counts / 4000
    plain = brute_graph.scores(graph, given, 0)
    np.testing.assert_allclose(shares, np.exp(plain - np.logaddexp.reduce(plain)), atol=0.03)


def test_half_precision_does_not_overflow():
    graph = graphs.chain(40, 3)
    given = {"unary": np.full((1, 40, 3), 6e4, "float16"), "pairwise": np.zeros((1, 1, 3, 3))}
    found = elimination.eliminated(graph, given)
    assert np.isfinite(ops.convert_to_numpy(found.log_partition)).all()
    np.testing.assert_allclose(found.unary, 1 / 3, atol=0.02)


def test_graphs_too_wide_and_potentials_that_do_not_fit():
    wide = graphs.complete(9, 8)
    given = brute_graph.random_potentials(wide, np.random.default_rng(0))
    with pytest.raises(ValueError, match="`graph` must have a small treewidth"):
        elimination.eliminated(wide, given)
    graph = graphs.chain(3, 2)
    with pytest.raises(ValueError, match="`potentials` must hold .'pairwise', 'unary'."):
        elimination.eliminated(graph, {"unary": np.zeros((1, 3, 2))})
    with pytest.raises(ValueError, match=r"`potentials\['unary'\]` must have shape"):
        elimination.eliminated(
            graph, {"unary": np.zeros((1, 3, 3)), "pairwise": np.zeros((1, 1, 2, 2))}
        )
