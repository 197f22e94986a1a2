import numpy as np
import pytest
from keras import ops

from keras_struct.ops.region_targets import keypoint_targets, mask_targets

pytestmark = pytest.mark.agnostic


def plain_mask(mask, box, size):
    """Bilinear samples of one mask at the middles of the cells, one by one."""
    height, width = mask.shape
    result = np.zeros(size)
    for i in range(size[0]):
        for j in range(size[1]):
            y = box[1] + (i + 0.5) / size[0] * (box[3] - box[1]) - 0.5
            x = box[0] + (j + 0.5) / size[1] * (box[2] - box[0]) - 0.5
            y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            a, b = y - y0, x - x0
            upper = mask[y0, x0] * (1 - b) + mask[y0, x1] * b
            result[i, j] = upper * (1 - a) + (mask[y1, x0] * (1 - b) + mask[y1, x1] * b) * a
    return result


def test_masks_equal_a_loop():
    rng = np.random.default_rng(0)
    masks = (rng.uniform(size=(2, 3, 20, 30)) < 0.5).astype("uint8")
    low = rng.uniform(-2, 12, (2, 4, 2))
    boxes = np.concatenate([low, low + rng.uniform(2, 15, (2, 4, 2))], -1).astype("float32")
    matches = rng.integers(0, 3, (2, 4)).astype("int32")
    found = ops.convert_to_numpy(mask_targets(masks, boxes, matches, (7, 5)))
    for b in range(2):
        for p in range(4):
            plain = plain_mask(masks[b, matches[b, p]], boxes[b, p], (7, 5))
            sure = np.abs(plain - 0.5) > 1e-4
            np.testing.assert_array_equal(found[b, p][sure], (plain >= 0.5)[sure])


def test_the_whole_box_of_a_rectangle_is_full():
    masks = np.zeros((1, 1, 40, 40), "uint8")
    masks[0, 0, 10:30, 5:25] = 1
    box = np.array([[[5, 10, 25, 30], [5, 10, 45, 30]]], "float32")
    found = ops.convert_to_numpy(mask_targets(masks, box, np.zeros((1, 2), "int32"), (28, 28)))
    assert found[0, 0].all()
    np.testing.assert_array_equal(found[0, 1], np.repeat([[1.0] * 14 + [0.0] * 14], 28, axis=0))


def test_keypoints_fall_into_their_cells():
    points = np.array([[[[10, 20, 2], [29.9, 39.9, 1], [30, 40, 2], [31, 20, 2], [15, 25, 0]]]])
    box = np.array([[[10, 20, 30, 40]]], "float32")
    cells, seen = keypoint_targets(
        points.astype("float32"), box, np.zeros((1, 1), "int32"), (56, 56)
    )
    assert ops.convert_to_numpy(seen).tolist() == [[[True, True, True, False, False]]]
    assert ops.convert_to_numpy(cells)[0, 0, :3].tolist() == [0, 56 * 56 - 1, 56 * 56 - 1]
    middle = np.array([[[[15.0, 35.0, 2]]]], "float32")
    cells, _ = keypoint_targets(middle, box, np.zeros((1, 1), "int32"), (56, 56))
    assert ops.convert_to_numpy(cells).item() == 42 * 56 + 14


def test_keypoints_of_background_and_of_another_object_are_not_seen():
    points = np.array([[[[5, 5, 2]], [[50, 50, 2]]]], "float32")
    boxes = np.array([[[0, 0, 10, 10]] * 3], "float32")
    _, seen = keypoint_targets(points, boxes, np.array([[0, 1, -1]], "int32"), (8, 8))
    assert ops.convert_to_numpy(seen).tolist() == [[[True], [False], [False]]]
