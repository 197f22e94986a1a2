import brute_graph
import numpy as np
import pytest
from keras import ops

from keras_struct import graphs
from keras_struct.inference.factor_graphs import elimination
from keras_struct.inference.factor_graphs import factor_mean_field as field

MIXED = graphs.FactorGraph([2, 3, 2, 3], [(0, 1), (1, 2, 3), (3, 0)])


@pytest.mark.parametrize("graph", [graphs.grid(2, 3, 2), graphs.complete(4, 3), MIXED])
def test_a_bound_that_never_falls_and_ends_at_a_fixed_point(graph):
    given = brute_graph.random_potentials(graph, np.random.default_rng(1), scale=0.7)
    bounds = [field.factor_mean_field(graph, given, rounds=n).log_partition for n in (1, 2, 4, 60)]
    bounds = np.array([ops.convert_to_numpy(bound) for bound in bounds])
    exact = ops.convert_to_numpy(elimination.eliminated(graph, given).log_partition)
    assert (np.diff(bounds, axis=0) >= -1e-5).all() and (bounds[-1] <= exact + 1e-5).all()
    unary = ops.convert_to_numpy(field.factor_mean_field(graph, given, rounds=60).unary)[0]
    for variable in range(graph.num_variables):
        logits = given["unary"][0, variable].astype("float64").copy()
        for factor, table in zip(graph.factors, graph.tables, strict=True):
            if variable in factor:
                tables = given["pairwise" if len(factor) == 2 else "order3"]
                own = tables[0, table]
                for axis in reversed(range(len(factor))):
                    if factor[axis] != variable:
                        own = np.tensordot(own, unary[factor[axis]], ((axis,), (0,)))
                logits = logits + own
        logits = np.exp(logits - logits.max()) * graph.state_mask()[variable]
        np.testing.assert_allclose(unary[variable], logits / logits.sum(), atol=1e-4)


@pytest.mark.agnostic
def test_without_ties_it_is_exact_and_masks_leave_out():
    graph = graphs.chain(3, 2)
    given = brute_graph.random_potentials(graph, np.random.default_rng(2))
    mask = np.array([[1, 0, 1], [0, 1, 0]], "bool")
    found = field.factor_mean_field(graph, given, mask)
    plain = elimination.eliminated(graph, given, mask)
    np.testing.assert_allclose(found.unary, plain.unary, atol=1e-5)
    np.testing.assert_allclose(found.log_partition, plain.log_partition, atol=1e-5)


def test_groups_share_no_factor():
    for graph in (graphs.grid(3, 3, 2, neighbours=8), graphs.chain(7, 2, 2), MIXED):
        groups = field.colour_groups(graph)
        assert (groups.sum(0) == 1).all()
        for factor in graph.factors:
            assert (groups[:, list(factor)].sum(1) <= 1).all()
    with pytest.raises(ValueError, match="`rounds` must be an integer"):
        field.factor_mean_field(MIXED, {}, rounds=0)
