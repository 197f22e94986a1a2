import numpy as np
import pytest
from keras import ops

from keras_struct.ops.mining import hard_negatives

pytestmark = pytest.mark.agnostic


def hard_negatives_numpy(loss, positive, ratio):
    chosen = np.zeros_like(positive)
    for row in range(len(loss)):
        wanted = min(int(ratio * positive[row].sum()), int((~positive[row]).sum()))
        order = [i for i in np.argsort(-loss[row], kind="stable") if not positive[row, i]]
        chosen[row, order[:wanted]] = True
    return chosen


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [3, 1000])  # 3: nearly all losses are tied
def test_equals_a_stable_sort(seed, levels):
    rng = np.random.default_rng(seed)
    loss = (rng.integers(0, levels, (4, 80)) / levels).astype("float32")
    positive = rng.random((4, 80)) < np.array([0.0, 0.02, 0.1, 0.6])[:, None]
    chosen = ops.convert_to_numpy(hard_negatives(loss, positive, 3.0))
    np.testing.assert_array_equal(chosen, hard_negatives_numpy(loss, positive, 3.0))


def test_three_to_one_counts_per_image_not_per_batch():
    loss = np.float32(np.random.default_rng(0).random((2, 100)))
    positive = np.zeros((2, 100), bool)
    positive[0, :10] = True  # the second image has none
    chosen = ops.convert_to_numpy(hard_negatives(loss, positive))
    np.testing.assert_array_equal(chosen.sum(axis=1), [30, 0])
