"""Mean field on points, where their order means nothing, and against a hand calculation."""

import numpy as np
import pytest
from brute_crf import kernel, normalized, softmax
from keras import ops

from keras_struct.inference import mean_field
from keras_struct.ops.gaussian_filters.exact import gaussian_sum

pytestmark = pytest.mark.agnostic
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(1, 30, 4)).astype("float32")
LOGITS = RNG.normal(size=(1, 30, 3)).astype("float32")
ENERGIES = RNG.normal(size=(3, 3)).astype("float32")


def beliefs(points, logits, energies=None, iterations=4):
    weights = np.array([1.0, 2.0, 0.5], "float32")
    kernels = [(lambda values: gaussian_sum(points, values), weights)]
    refined = mean_field(ops.convert_to_tensor(logits), kernels, energies, iterations)
    return ops.convert_to_numpy(ops.softmax(refined))


def test_two_points_by_hand():
    """One iteration, two labels: each point hears itself fully and the other by exp(-1/2)."""
    points = np.array([[[0.0], [1.0]]], "float32")
    logits = np.array([[[1.0, 0.0], [0.0, 0.0]]], "float32")
    kernels = [(lambda values: gaussian_sum(points, values), 2.0)]
    refined = ops.convert_to_numpy(mean_field(ops.convert_to_tensor(logits), kernels, None, 1))
    first, near = 1 / (1 + np.exp(-1.0)), np.exp(-0.5)
    gaps = [1 + 2 * (2 * first - 1), 2 * near * (2 * first - 1)]
    np.testing.assert_allclose(refined[0, :, 0] - refined[0, :, 1], gaps, rtol=1e-5)


@pytest.mark.parametrize("energies", [None, ENERGIES, ENERGIES[0]])
def test_points_may_come_in_any_order(energies):
    order = np.random.default_rng(1).permutation(30)
    straight = beliefs(POINTS, LOGITS, energies)
    moved = beliefs(POINTS[:, order], LOGITS[:, order], energies)
    np.testing.assert_allclose(moved, straight[:, order], atol=2e-6)


def test_one_energy_for_different_labels_is_potts():
    potts = beliefs(POINTS, LOGITS)
    for energies in (1 - np.eye(3), -np.eye(3), -np.ones(3)):
        np.testing.assert_allclose(
            beliefs(POINTS, LOGITS, energies.astype("float32")), potts, atol=1e-5
        )


def test_labels_pay_by_row_for_columns():
    """Energy [0, 2] is paid by label 0 for label 2 nearby, not the other way round."""
    energies = np.zeros((3, 3), "float32")
    energies[0, 2] = 5.0
    logits = np.zeros((1, 30, 3), "float32")
    after = beliefs(POINTS, logits, energies, 1)
    assert (after[..., 0] < 0.3).all()
    np.testing.assert_allclose(after[..., 1], after[..., 2], atol=1e-6)


def test_no_iteration_leaves_the_logits():
    np.testing.assert_allclose(beliefs(POINTS, LOGITS, None, 0), softmax(LOGITS), atol=1e-6)


def test_energy_falls_for_a_weak_kernel():
    """The Kullback-Leibler divergence falls where parallel updates are safe."""
    matrix = normalized(kernel(POINTS[0].astype("float64")))
    costs = []
    for iterations in range(6):
        kernels = [(lambda values: ops.matmul(matrix.astype("float32"), values), 0.5)]
        q = ops.convert_to_numpy(
            ops.softmax(mean_field(ops.convert_to_tensor(LOGITS), kernels, None, iterations))
        )[0].astype("float64")
        pairs = 0.5 * np.einsum("is,ij,js->", q, 0.5 * matrix, q)
        costs.append((q * np.log(q)).sum() - (q * LOGITS[0]).sum() - pairs)
    assert (np.diff(costs) < 1e-6).all() and costs[0] - costs[-1] > 0.01
