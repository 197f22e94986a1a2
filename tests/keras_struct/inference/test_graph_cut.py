import brute_graph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_struct import graphs
from keras_struct.inference.factor_graphs import graph_cut as cuts


def agreeing(graph, rng):
    given = brute_graph.random_potentials(graph, rng)
    tables = given["pairwise"]
    short = tables[:, :, 0, 1] + tables[:, :, 1, 0] - tables[:, :, 0, 0] - tables[:, :, 1, 1]
    tables[:, :, 1, 1] += np.maximum(short, 0) + 0.1
    return given


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.booleans())
def test_the_cut_is_the_best_of_all_labellings(seed, masked):
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    chosen = rng.permutation(len(pairs))[: rng.integers(1, 10)]
    graph = graphs.from_edges([pairs[i] for i in chosen], [2] * 6)
    given = agreeing(graph, rng)
    mask = rng.uniform(size=(2, 6)) < 0.7 if masked else None
    labels = cuts.graph_cut(graph, given, mask)
    for item in range(2):
        there = None if mask is None else mask[item]
        plain = brute_graph.scores(graph, given, item, there)
        place = brute_graph.labellings(graph, there).index(tuple(labels[item].tolist()))
        assert plain[place] == pytest.approx(plain.max(), abs=1e-4)


def test_expansion_reaches_a_labelling_no_switch_betters():
    graph, rng = graphs.grid(2, 3, 3), np.random.default_rng(4)
    given = {
        "unary": rng.normal(size=(2, 6, 3)),
        "pairwise": np.broadcast_to(0.8 * np.eye(3), (1, 2, 3, 3)),
    }
    labels = cuts.alpha_expansion(graph, given)
    for item in range(2):
        plain, all_labels = brute_graph.scores(graph, given, item), brute_graph.labellings(graph)
        own = plain[all_labels.index(tuple(labels[item].tolist()))]
        for state in range(3):
            switches = [
                score
                for score, other in zip(plain, all_labels, strict=True)
                if all(b in (a, state) for a, b in zip(labels[item], other, strict=True))
            ]
            assert own >= max(switches) - 1e-5


def test_energies_that_are_no_cut():
    graph = graphs.chain(2, 2)
    given = {"unary": np.zeros((1, 2, 2)), "pairwise": np.array([[[[0.0, 1.0], [0.0, 0.0]]]])}
    with pytest.raises(ValueError, match="must like to agree"):
        cuts.graph_cut(graph, given)
    three = graphs.chain(2, 3)
    with pytest.raises(ValueError, match="two states a variable"):
        cuts.graph_cut(three, brute_graph.random_potentials(three, np.random.default_rng(0)))
    mixed = graphs.FactorGraph([2, 3], [(0, 1)])
    with pytest.raises(ValueError, match="as many states"):
        cuts.alpha_expansion(mixed, brute_graph.random_potentials(mixed, np.random.default_rng(0)))
