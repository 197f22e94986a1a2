import numpy as np
import pytest
from keras import ops

from keras_struct.ops.region_matching import has_area, match_anchors, match_proposals, within

pytestmark = pytest.mark.agnostic


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.maximum(high - low, 0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def plain_match(anchors, boxes, positive, negative):
    """The rule of the paper, anchor by anchor."""
    table = np.array([[iou(a, b) for b in boxes] for a in anchors])
    result = []
    for row in table:
        is_best = any(v > 0 and v == table[:, j].max() for j, v in enumerate(row))
        if row.max() >= positive or is_best:
            result.append(int(row.argmax()))
        else:
            result.append(-1 if row.max() < negative else -2)
    return result


def random_boxes(rng, count, side=100):
    low = rng.uniform(0, side * 0.8, (count, 2))
    return np.concatenate([low, low + rng.uniform(5, side * 0.4, (count, 2))], 1).astype("float32")


def test_anchors_equal_the_rule_written_out():
    rng = np.random.default_rng(0)
    anchors, boxes = random_boxes(rng, 200), random_boxes(rng, 7)
    found = match_anchors(anchors, boxes[None], np.arange(7)[None], 0.7, 0.3)
    assert ops.convert_to_numpy(found)[0].tolist() == plain_match(anchors, boxes, 0.7, 0.3)


def test_a_box_without_a_good_anchor_still_gets_its_best_ties_included():
    anchors = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]], "float32")
    between = np.array([[[5, 0, 25, 10], [0, 0, 0, 0]]], "float32")  # IoU 0.2 with both
    found = ops.convert_to_numpy(match_anchors(anchors, between, np.array([[3, -1]])))
    assert found.tolist() == [[0, 0, -1]]


def test_padding_is_no_object_and_an_empty_image_all_background():
    anchors = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], "float32")
    boxes = np.array([[[0, 0, 10, 10]], [[0, 0, 0, 0]]], "float32")
    found = ops.convert_to_numpy(match_anchors(anchors, boxes, np.array([[-1], [-1]])))
    assert found.tolist() == [[-1, -1], [-1, -1]]


def test_a_box_that_no_anchor_touches_has_no_positive():
    anchors = np.array([[0, 0, 10, 10]], "float32")
    boxes = np.array([[[50, 50, 60, 60]]], "float32")
    assert ops.convert_to_numpy(match_anchors(anchors, boxes, np.array([[0]]))).tolist() == [[-1]]


def test_proposals_by_iou_with_the_bounds_of_fast_rcnn():
    box = np.array([0, 0, 100, 10], "float32")
    widths = [100, 50, 49, 10, 5]  # IoU 1, .5, .49, .1, .05
    proposals = np.array([[[0, 0, w, 10] for w in widths] + [[0, 0, 0, 0]]], "float32")
    found = match_proposals(proposals, box[None, None], np.array([[4]]), 0.5, (0.1, 0.5))
    assert ops.convert_to_numpy(found).tolist() == [[0, 0, -1, -1, -2, -2]]


def test_without_objects_all_proposals_are_background_from_zero():
    proposals = np.array([[[0, 0, 5, 5], [0, 0, 0, 0]]], "float32")
    found = match_proposals(proposals, np.zeros((1, 2, 4), "float32"), np.array([[-1, -1]]))
    assert ops.convert_to_numpy(found).tolist() == [[-1, -2]]


def test_within_and_has_area():
    boxes = np.array([[0, 0, 20, 10], [-1, 0, 5, 5], [0, 0, 21, 10], [3, 3, 3, 9]], "float32")
    assert ops.convert_to_numpy(within(boxes, 10, 20)).tolist() == [True, False, False, True]
    assert ops.convert_to_numpy(within(boxes, 10, 20, 1.0)).tolist() == [True] * 4
    assert ops.convert_to_numpy(has_area(boxes)).tolist() == [True, True, True, False]
