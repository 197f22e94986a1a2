import math

import numpy as np
import pytest

from keras_struct.models.ssd import default_boxes, fit_default_boxes
from keras_struct.models.ssd.fitted_boxes import size_iou
from keras_struct.ops.anchors import grid_anchors


def test_published_boxes_of_the_first_cell():
    sizes = default_boxes.published_sizes("vgg16", 300)
    cells = {f"P{i}": (n, n) for i, n in zip(range(3, 9), (38, 19, 10, 5, 3, 1), strict=True)}
    boxes = grid_anchors(sizes, cells, 300, default_boxes.published_steps("vgg16", 300))
    assert boxes.shape == (8732, 4)
    # conv4_3: step 8, sizes 30 and sqrt(30 * 60), ratio 2 both ways, centre (4, 4)
    mean, root = math.sqrt(30 * 60), math.sqrt(2)
    expected = [(30, 30), (mean, mean), (30 * root, 30 / root), (30 / root, 30 * root)]
    np.testing.assert_allclose(boxes[:4, 2:] - boxes[:4, :2], expected, rtol=1e-5)
    np.testing.assert_allclose((boxes[:4, 2:] + boxes[:4, :2]) / 2, 4.0, atol=1e-5)
    # conv11_2: one cell, step 300, size 264 around the middle
    np.testing.assert_allclose(boxes[-4], [18, 18, 282, 282], atol=1e-4)
    assert (boxes < 0).any(), "default boxes are not clipped"


def test_steps_are_the_papers_not_size_over_cells():
    steps = default_boxes.published_steps("vgg16", 300)
    sizes = {"P7": ((10.0, 10.0),)}
    boxes = grid_anchors(sizes, {"P7": (3, 3)}, 300, steps)
    assert boxes[:, 0].max() == 2.5 * 100 - 5
    assert grid_anchors({"P4": sizes["P7"]}, {"P4": (19, 19)}, 300)[0, 0] == pytest.approx(
        0.5 * 300 / 19 - 5
    )


def test_order_is_level_row_column_size():
    sizes = {"P3": ((2.0, 2.0), (4.0, 4.0)), "P4": ((8.0, 8.0),)}
    boxes = grid_anchors(sizes, {"P3": (2, 2), "P4": (1, 1)}, 16)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert centres[::2][:4].tolist() == [[4, 4], [12, 4], [4, 12], [12, 12]]
    assert (boxes[1] - boxes[0]).tolist() == [-1, -1, 1, 1] and len(boxes) == 9


def test_vgg16_of_another_size_is_not_published():
    with pytest.raises(ValueError, match="`image_size` must be 300 or 512 for vgg16.*=320"):
        default_boxes.published_sizes("vgg16", 320)


def test_k_means_finds_separate_groups_of_sizes():
    rng = np.random.default_rng(0)
    groups = np.float64([[10, 10], [30, 60], [120, 80]])
    sizes = np.concatenate([group * rng.uniform(0.95, 1.05, (50, 2)) for group in groups])
    levels, mean_iou = fit_default_boxes(sizes, {"P3": 1, "P4": 1, "P5": 1})
    found = np.array([levels[level][0] for level in ("P3", "P4", "P5")])
    np.testing.assert_allclose(found, groups, rtol=0.05)
    assert mean_iou > 0.93
    assert mean_iou == pytest.approx(size_iou(sizes, found).max(axis=1).mean(), abs=1e-3)


def test_sizes_go_to_the_level_of_which_they_are_four_strides():
    groups = np.float64([[4, 4], [30, 34], [60, 70], [140, 120], [900, 900]])
    levels, _ = fit_default_boxes(np.repeat(groups, 5, axis=0), num_sizes=5)
    assert levels == {
        "P3": ((4.0, 4.0), (30.0, 34.0)),
        "P4": ((60.0, 70.0),),
        "P5": ((140.0, 120.0),),
        "P7": ((900.0, 900.0),),
    }


def test_with_labels_a_rare_class_weighs_as_much_as_a_frequent_one():
    rng = np.random.default_rng(0)
    frequent, rare = rng.uniform(40, 80, (300, 2)), np.repeat([[8.0, 12.0], [14.0, 9.0]], 3, axis=0)
    sizes, labels = np.concatenate([frequent, rare]), np.repeat([0, 1], [300, 6])
    levels, _ = fit_default_boxes(sizes, num_sizes=4, labels=labels)
    found = [size for level in levels.values() for size in level]
    assert (8.0, 12.0) in found and (14.0, 9.0) in found
    levels, _ = fit_default_boxes(sizes, num_sizes=4)
    assert (8.0, 12.0) not in [size for level in levels.values() for size in level]
    with pytest.raises(ValueError, match="`labels` must have one class for each of the 306 boxes"):
        fit_default_boxes(sizes, labels=labels[:5])


def test_size_iou_by_hand():
    # overlap 10 x 5 of areas 100 and 100: 50 / 150
    np.testing.assert_allclose(size_iou(np.array([[10, 10]]), np.array([[20, 5]])), [[1 / 3]])


def test_k_means_is_a_function_of_its_seed_and_survives_equal_sizes():
    sizes = np.random.default_rng(1).uniform(5, 90, (200, 2))
    assert fit_default_boxes(sizes, seed=3) == fit_default_boxes(sizes, seed=3)
    levels, mean_iou = fit_default_boxes(np.full((20, 2), 16.0), {"P3": 4, "P4": 2})
    assert mean_iou == 1.0 and len(levels["P3"]) == 4


@pytest.mark.parametrize(
    "sizes, message",
    [
        (np.ones((5, 3)), r"`sizes` must be \(N, 2\) positive"),
        (np.zeros((50, 2)), r"`sizes` must be \(N, 2\) positive"),
        (np.ones((5, 2)), "at least as many boxes as clusters. Received: 5 boxes for 12"),
    ],
)
def test_k_means_rejects_bad_sizes(sizes, message):
    with pytest.raises(ValueError, match=message):
        fit_default_boxes(sizes)
