import numpy as np
import pytest
from keras import ops
from keras.utils import bounding_boxes

from keras_struct.ops import boxes as box_ops

pytestmark = pytest.mark.agnostic


def random_boxes(seed, count):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 200, (count, 2)), rng.uniform(1, 120, (count, 2))
    return np.concatenate([corner, corner + size], axis=1).astype("float32")


def iou_numpy(one, two):
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    overlap = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return overlap / (sum(areas) - overlap)


def test_iou_equals_the_plain_loop():
    one, two = random_boxes(0, 20), random_boxes(1, 30)
    expected = [[iou_numpy(a, b) for b in two] for a in one]
    np.testing.assert_allclose(box_ops.pairwise_iou(one, two), expected, atol=1e-5)


def test_iou_by_hand():
    # areas 100 and 100, intersection 5 x 10: 50 / 150
    value = box_ops.pairwise_iou([[0.0, 0, 10, 10]], [[5.0, 0, 15, 10]])
    np.testing.assert_allclose(value, [[1 / 3]], rtol=1e-6)


def test_iou_of_a_box_without_area_is_zero_not_nan():
    value = box_ops.pairwise_iou([[3.0, 3, 3, 3]], [[0.0, 0, 10, 10], [3.0, 3, 3, 3]])
    np.testing.assert_array_equal(value, [[0.0, 0.0]])


@pytest.mark.parametrize("seed", range(3))
def test_decode_inverts_encode(seed):
    boxes, anchors = random_boxes(seed, 50), random_boxes(seed + 10, 50)
    deltas = box_ops.encode(boxes[None], anchors)
    np.testing.assert_allclose(box_ops.decode(deltas, anchors)[0], boxes, atol=1e-3)


def test_decode_equals_that_of_keras():
    anchors = random_boxes(3, 50)
    deltas = np.random.default_rng(4).normal(size=(2, 50, 4)).astype("float32")
    expected = bounding_boxes.decode_deltas_to_boxes(
        anchors, deltas, "xyxy", "xyxy", encoded_format="center_xywh", variance=box_ops.VARIANCES
    )
    np.testing.assert_allclose(box_ops.decode(deltas, anchors), expected, atol=1e-3)


def test_encode_by_hand():
    # centre (20, 20) of 20 x 40 against centre (10, 10) of 20 x 20: (.5, .5, 0, log 2) / variances
    deltas = box_ops.encode(np.float32([[10, 0, 30, 40]]), np.float32([[0, 0, 20, 20]]))
    np.testing.assert_allclose(deltas, [[5.0, 5.0, 0.0, np.log(2) / 0.2]], rtol=1e-5)


def test_clip_keeps_boxes_inside_the_image():
    clipped = box_ops.clip(ops.convert_to_tensor([[-5.0, -6, 30, 40]]), height=20, width=25)
    np.testing.assert_array_equal(clipped, [[0, 0, 25, 20]])
