import brute_graph
import numpy as np
import pytest
from keras import backend, ops

from keras_struct import graphs
from keras_struct.losses import graph_losses as losses

GRAPH = graphs.FactorGraph([2, 3, 2, 3], [(0, 1), (1, 2, 3), (3, 0)])
LABELS = np.array([[1, 2, 0, 1], [0, 0, 1, 2]])
MASK = np.array([[1, 1, 1, 1], [1, 0, 1, 1]], "bool")


def given_potentials():
    return brute_graph.random_potentials(GRAPH, np.random.default_rng(3))


def row_of(item, masked):
    there = MASK[item] if masked else None
    labels = np.where(MASK[item], LABELS[item], 0) if masked else LABELS[item]
    return there, brute_graph.labellings(GRAPH, there), tuple(labels.tolist())


@pytest.mark.agnostic
@pytest.mark.parametrize("masked", [False, True])
def test_log_loss_and_hinge_are_those_of_enumeration(masked):
    given, mask = given_potentials(), MASK if masked else None
    found = losses.graph_loss("log_loss", GRAPH, given, LABELS, mask)
    hinge = losses.graph_loss("hinge", GRAPH, given, LABELS, mask)
    for item in range(2):
        there, labellings, truth = row_of(item, masked)
        plain = brute_graph.scores(GRAPH, given, item, there)
        own = plain[labellings.index(truth)]
        np.testing.assert_allclose(found[item], np.logaddexp.reduce(plain) - own, rtol=1e-4)
        apart = np.array([sum(a != b for a, b in zip(x, truth, strict=True)) for x in labellings])
        np.testing.assert_allclose(hinge[item], (plain + apart).max() - own, rtol=1e-4)


def test_hinge_is_zero_once_the_margin_is_met():
    given = given_potentials()
    given["unary"][np.arange(2)[:, None], np.arange(4), LABELS] += 60.0
    np.testing.assert_allclose(losses.structured_hinge(GRAPH, given, LABELS), 0.0, atol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_pseudo_likelihood_and_piecewise_are_those_of_enumeration(masked):
    given, mask = given_potentials(), MASK if masked else None
    pseudo = losses.graph_loss("pseudo_likelihood", GRAPH, given, LABELS, mask)
    pieces = losses.graph_loss("piecewise", GRAPH, given, LABELS, mask)
    for item in range(2):
        there, labellings, truth = row_of(item, masked)
        scores = dict(zip(labellings, brute_graph.scores(GRAPH, given, item, there), strict=True))
        there = np.ones(4, bool) if there is None else there
        total = 0.0
        for v in np.flatnonzero(there):
            others = [scores[(*truth[:v], s, *truth[v + 1 :])] for s in range(GRAPH.states[v])]
            total += np.logaddexp.reduce(others) - scores[truth]
        np.testing.assert_allclose(pseudo[item], total, rtol=1e-4)
        total = 0.0
        for v in np.flatnonzero(there):
            own = given["unary"][item, v, : GRAPH.states[v]].astype("float64")
            total += np.logaddexp.reduce(own) - own[truth[v]]
        for factor, table in zip(GRAPH.factors, GRAPH.tables, strict=True):
            if there[list(factor)].all():
                tables = given["pairwise" if len(factor) == 2 else "order3"]
                own = tables[item if len(tables) > 1 else 0, table].astype("float64")
                own = own[tuple(slice(GRAPH.states[v]) for v in factor)]
                total += np.logaddexp.reduce(own.reshape(-1)) - own[tuple(truth[v] for v in factor)]
        np.testing.assert_allclose(pieces[item], total, rtol=1e-4)


def gradient_of(function, given):
    """Gradients of a sum by each of the potentials, with TensorFlow or JAX."""
    if backend.backend() == "jax":
        import jax

        return jax.grad(lambda x: ops.sum(function(x)))(given)
    import tensorflow as tf

    tensors = {name: tf.constant(x) for name, x in given.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = ops.sum(function(tensors))
    return tape.gradient(total, tensors)


JOINT = [pytest.param(name, marks=pytest.mark.agnostic) for name in ("log_loss", "hinge")]


@pytest.mark.parametrize("name", [*JOINT, "pseudo_likelihood", "piecewise", "unary"])
def test_gradients_are_finite_differences(name):
    given, rng = given_potentials(), np.random.default_rng(5)
    slopes = gradient_of(lambda x: losses.graph_loss(name, GRAPH, x, LABELS, MASK), given)
    for key, x in given.items():
        way = rng.normal(size=x.shape).astype("float32")
        sides = [{**given, key: x + step * way} for step in (-5e-3, 5e-3)]
        low, high = (np.sum(losses.graph_loss(name, GRAPH, s, LABELS, MASK)) for s in sides)
        slope = slopes[key]
        found = 0.0 if slope is None else float(ops.sum(slope * way))
        assert found == pytest.approx(float(high - low) / 1e-2, abs=0.02), (name, key)


def test_names_that_do_not_fit():
    with pytest.raises(ValueError, match="`loss` must be one of"):
        losses.graph_loss("magic", GRAPH, given_potentials(), LABELS)
    with pytest.raises(ValueError, match="needs no inference"):
        losses.graph_loss("piecewise", GRAPH, given_potentials(), LABELS, method="exact")
