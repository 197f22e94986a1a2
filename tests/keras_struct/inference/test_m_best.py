import brute_graph
import numpy as np
import pytest

from keras_struct import graphs
from keras_struct.inference.factor_graphs import chains, elimination, methods
from keras_struct.inference.factor_graphs.m_best import m_best


@pytest.mark.parametrize(
    "graph, best",
    [
        (graphs.chain(4, 2), chains.chained_map),
        (graphs.FactorGraph([2, 3, 1, 2], [(0, 1), (1, 2), (1, 3)]), elimination.eliminated_map),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_the_best_in_order_and_no_more_than_there_are(graph, best, masked):
    given = brute_graph.random_potentials(graph, np.random.default_rng(6))
    mask = np.array([[1, 1, 0, 1], [0, 1, 1, 0]], "bool") if masked else None
    labels, scores = m_best(graph, given, 20, best, mask)
    for item in range(2):
        there = None if mask is None else mask[item]
        plain = brute_graph.scores(graph, given, item, there)
        order = np.argsort(-plain)[:20]
        np.testing.assert_allclose(scores[item][: len(order)], plain[order], atol=1e-4)
        assert np.isneginf(scores[item][len(order) :]).all()
        expected = [brute_graph.labellings(graph, there)[i] for i in order]
        np.testing.assert_array_equal(labels[item][: len(order)], expected)


def test_every_method_finds_the_best_labelling_of_a_chain():
    graph = graphs.chain(5, 3)
    given = brute_graph.random_potentials(graph, np.random.default_rng(7), scale=1.0)
    best = elimination.eliminated_map(graph, given)[0]
    for method in ("exact", "belief_propagation", "convex"):
        np.testing.assert_array_equal(methods.best_labels(graph, given, method=method), best)
    unary = elimination.eliminated(graph, given).unary
    for method, near in (("exact", 1e-4), ("belief_propagation", 1e-4), ("mean_field", 0.4)):
        np.testing.assert_allclose(
            methods.infer(graph, given, method=method).unary, unary, atol=near
        )
    for function in (methods.infer, methods.best_labels):
        with pytest.raises(ValueError, match="`method` must be one of"):
            function(graph, given, method="magic")
    with pytest.raises(ValueError, match="`count` must be an integer"):
        m_best(graph, given, 0, chains.chained_map)
