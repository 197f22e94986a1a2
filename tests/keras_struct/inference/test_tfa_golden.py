"""A chain CRF equals TensorFlow Addons' recorded one; see golden/README.md."""

from pathlib import Path

import numpy as np
import pytest

from keras_struct import graphs
from keras_struct.inference.factor_graphs import chains, potentials, results

pytestmark = pytest.mark.agnostic

GOLDEN = np.load(Path(__file__).parent / "golden" / "tfa_crf.npz")


@pytest.fixture(scope="module")
def given():
    graph = graphs.chain(9, 5)
    mask = np.arange(9)[None] < GOLDEN["lengths"][:, None]
    tables = GOLDEN["transitions"][None, None]
    return graph, {"unary": GOLDEN["inputs"], "pairwise": tables}, mask


def test_log_partition_score_and_likelihood(given):
    graph, tensors, mask = given
    beliefs = chains.chained(graph, tensors, mask)
    score = potentials.score(graph, tensors, GOLDEN["tags"], mask)
    np.testing.assert_allclose(beliefs.log_partition, GOLDEN["log_norm"], rtol=1e-5)
    np.testing.assert_allclose(score, GOLDEN["sequence_score"], rtol=1e-5, atol=1e-5)
    found = score - beliefs.log_partition
    np.testing.assert_allclose(found, GOLDEN["log_likelihood"], rtol=1e-4, atol=1e-5)


def test_gradients_are_truth_less_beliefs(given):
    graph, tensors, mask = given
    beliefs = chains.chained(graph, tensors, mask)
    truth = np.eye(5)[GOLDEN["tags"]] * mask[..., None]
    slope = truth - np.asarray(beliefs.unary) * mask[..., None]
    np.testing.assert_allclose(slope, GOLDEN["grad_inputs"], atol=2e-5)
    pairs = np.asarray(beliefs.factors[2]) * mask[:, 1:, None, None]
    truth = np.einsum("bts,btr->sr", truth[:, :-1] * mask[:, 1:, None], truth[:, 1:])
    np.testing.assert_allclose(truth - pairs.sum((0, 1)), GOLDEN["grad_transitions"], atol=1e-4)
    value = results.moment_matched(graph, tensors, beliefs, mask)
    np.testing.assert_allclose(value, GOLDEN["log_norm"], rtol=1e-5)


def test_viterbi(given):
    labels, score = chains.chained_map(*given)
    np.testing.assert_array_equal(labels, GOLDEN["decode_tags"])
    np.testing.assert_allclose(score, GOLDEN["decode_score"], rtol=1e-5)
