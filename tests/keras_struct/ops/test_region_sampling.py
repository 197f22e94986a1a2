import numpy as np
import pytest
from keras import ops

from keras_struct.ops import boxes as box_ops
from keras_struct.ops.mining import balanced_sample, highest
from keras_struct.ops.region_sampling import Sampling, sample_regions

pytestmark = pytest.mark.agnostic


def numpy(values):
    return {key: ops.convert_to_numpy(value) for key, value in values.items()}


def test_highest_takes_exactly_as_many_the_lower_index_of_equals():
    score = np.array([[0.5, 0.5, 0.5, 0.9, 0.1]], "float32")
    among = np.array([[True, True, True, True, True]])
    found = ops.convert_to_numpy(highest(score, among, np.array([[3.0]], "float32")))
    assert found.tolist() == [[True, True, False, True, False]]
    among = np.array([[False, True, True, False, False]])
    found = ops.convert_to_numpy(highest(score, among, np.array([[9.0]], "float32")))
    assert found.tolist() == among.tolist()


@pytest.mark.parametrize("positives, expected", [(200, 128), (40, 40), (0, 0)])
def test_256_are_drawn_at_most_half_positive(positives, expected):
    rng = np.random.default_rng(positives)
    kinds = np.zeros((1, 2000), bool)
    kinds[0, rng.permutation(2000)[:positives]] = True
    noise = rng.uniform(size=(1, 2000)).astype("float32")
    chosen, others = (
        ops.convert_to_numpy(x) for x in balanced_sample(kinds, ~kinds, noise, 256, 0.5)
    )
    assert chosen.sum() == expected and others.sum() == 256 - expected
    assert not (chosen & ~kinds).any() and not (others & kinds).any()


def test_draws_follow_the_noise_and_are_uniform():
    rng = np.random.default_rng(3)
    positive = np.repeat([[True, False]], 500, axis=0).repeat(8, axis=1)
    noise = rng.uniform(size=positive.shape).astype("float32")
    chosen, _ = balanced_sample(positive, ~positive, noise, 8, 0.5)
    share = ops.convert_to_numpy(chosen)[:, :8].mean(axis=0)  # 4 of 8 each time
    assert np.abs(share - 0.5).max() < 4 * 0.5 / np.sqrt(500)


def scene():
    truth = {
        "boxes": np.array([[[0, 0, 20, 20], [40, 40, 80, 60], [0, 0, 0, 0]]], "float32"),
        "labels": np.array([[1, 0, -1]]),
    }
    near = [[0, 0, 20, 18], [41, 40, 80, 60], [0, 0, 20, 14]]
    far = [[60, 0, 70, 10], [0, 60, 10, 70], [30, 30, 44, 44], [0, 10, 20, 30]]
    proposals = np.array([near + far + [[0, 0, 0, 0]] * 2], "float32")
    return proposals, truth


def test_objects_come_first_and_hold_their_targets():
    proposals, truth = scene()
    noise = np.random.default_rng(0).uniform(size=(1, 12)).astype("float32")
    found = numpy(sample_regions(proposals, truth, noise, Sampling(count=8, positive_fraction=0.5)))
    labels, matches = found["labels"][0], found["matches"][0]
    assert (labels[:4] >= 0).all() and (labels[4:] == -1).all()  # 5 positives, 4 taken
    for index in range(4):
        own = truth["boxes"][0, matches[index]]
        assert labels[index] == truth["labels"][0, matches[index]]
        moved = box_ops.decode(found["deltas"][0, index][None], found["boxes"][0, index][None])
        np.testing.assert_allclose(ops.convert_to_numpy(moved)[0], own, atol=1e-3)


def test_a_region_of_iou_005_is_never_drawn_at_a_background_from_01():
    box = np.array([[[0, 0, 100, 10]]], "float32")
    truth = {"boxes": box, "labels": np.array([[0]])}
    proposals = np.array([[[0, 0, 5, 10], [0, 0, 20, 10]]], "float32")
    sampling = Sampling(count=3, background_iou=(0.1, 0.5))
    for seed in range(20):
        noise = np.random.default_rng(seed).uniform(size=(1, 3)).astype("float32")
        found = numpy(sample_regions(proposals, truth, noise, sampling))
        drawn = found["boxes"][found["labels"] != -2]
        assert not (drawn == proposals[0, 0]).all(axis=-1).any()
        assert (drawn == proposals[0, 1]).all(axis=-1).any()


def test_true_boxes_are_proposals_unless_told_otherwise():
    proposals, truth = scene()
    noise = np.random.default_rng(0).uniform(size=(1, 12)).astype("float32")
    everything = Sampling(count=12, positive_fraction=1.0)
    with_truth = numpy(sample_regions(proposals, truth, noise, everything))
    without = numpy(
        sample_regions(proposals, truth, noise[:, :9], everything._replace(append_truth=False))
    )
    assert (with_truth["labels"] >= 0).sum() == 5 and (without["labels"] >= 0).sum() == 3
    assert (with_truth["labels"] == -2).sum() == 3 and (without["labels"] == -2).sum() == 5


def test_fewer_proposals_than_regions_are_filled_up():
    proposals, truth = scene()
    noise = np.zeros((1, 12), "float32")
    found = numpy(sample_regions(proposals, truth, noise, Sampling(count=40)))
    assert found["boxes"].shape == (1, 40, 4) and (found["labels"] == -2).sum() == 40 - 9
    assert np.isfinite(found["deltas"]).all()
