import numpy as np
import pytest
from keras import ops

from keras_struct.ops.matching import match_boxes

pytestmark = pytest.mark.agnostic


def match_numpy(iou, threshold, background=None):
    """Greedy bipartite matching pair by pair, then the best box above the threshold."""
    matches = np.full(len(iou), -1)
    left = iou.copy()
    for _ in range(iou.shape[1]):
        anchor, box = np.unravel_index(np.argmax(left), left.shape)
        if left[anchor, box] <= 1e-6:
            break
        matches[anchor] = box
        left[anchor], left[:, box] = -1, -1
    above = (iou.max(axis=1) > threshold) & (matches < 0)
    matches = np.where(above, iou.argmax(axis=1), matches)
    if background is None:
        return matches
    return np.where((matches < 0) & (iou.max(axis=1) >= background), -2, matches)


def iou_numpy(anchors, boxes):
    low = np.maximum(anchors[:, None, :2], boxes[None, :, :2])
    high = np.minimum(anchors[:, None, 2:], boxes[None, :, 2:])
    overlap = np.clip(high - low, 0, None).prod(-1)
    area = [(b[:, 2:] - b[:, :2]).prod(-1) for b in (anchors, boxes)]
    return overlap / (area[0][:, None] + area[1][None] - overlap)


def random_boxes(rng, count, spread=60.0):
    corner = rng.uniform(0, spread, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(5, 40, (count, 2))], 1).astype("float32")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spread", [15.0, 60.0])  # 15: crowds, where boxes compete for anchors
@pytest.mark.parametrize("background", [None, 0.3])
def test_equals_the_greedy_loop(seed, spread, background):
    rng = np.random.default_rng(seed)
    anchors, boxes = random_boxes(rng, 60, spread), random_boxes(rng, 12, spread)
    expected = match_numpy(iou_numpy(anchors, boxes), 0.5, background)
    matches = match_boxes(anchors, boxes[None], np.arange(12)[None], 0.5, background)
    np.testing.assert_array_equal(ops.convert_to_numpy(matches)[0], expected)


def test_boxes_that_share_their_best_anchor_get_one_each():
    anchors = np.float32([[0, 0, 10, 10], [0, 0, 9, 20]])
    boxes = np.float32([[[0, 0, 10, 11], [0, 0, 10, 12]]])  # both prefer the first anchor
    matches = match_boxes(anchors, boxes, np.zeros((1, 2)), iou_threshold=0.99)
    np.testing.assert_array_equal(matches, [[0, 1]])


def test_every_box_that_touches_an_anchor_is_matched_even_below_the_threshold():
    anchors = np.float32([[0, 0, 100, 100], [100, 0, 200, 100]])
    boxes = np.float32([[[40, 40, 50, 50]]])
    np.testing.assert_array_equal(match_boxes(anchors, boxes, np.int32([[3]])), [[0, -1]])


def test_a_box_off_all_anchors_and_padding_match_nothing():
    anchors = np.float32([[0, 0, 10, 10]])
    boxes = np.float32([[[50, 50, 60, 60], [0, 0, 10, 10]]])
    np.testing.assert_array_equal(match_boxes(anchors, boxes, np.int32([[0, -1]])), [[-1]])


def test_padding_does_not_change_the_matches():
    rng = np.random.default_rng(0)
    anchors, boxes = random_boxes(rng, 40), random_boxes(rng, 5)
    padded = np.concatenate([boxes, np.zeros((7, 4), "float32")])
    labels = np.int32([0] * 5 + [-1] * 7)
    alone = match_boxes(anchors, boxes[None], labels[None, :5])
    np.testing.assert_array_equal(match_boxes(anchors, padded[None], labels[None]), alone)
