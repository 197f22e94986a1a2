"""Training and the device paste masks with code of their own: it must give the same pixels."""

import numpy as np
import pytest

from keras_struct.data.mask_paste import paste_mask
from keras_struct.ops import run_lengths
from keras_struct.training.tasks import task_of
from keras_struct_edge.masks import encode_mask, paste_masks
from keras_struct_edge.tasks import answer


@pytest.mark.parametrize("seed", range(5))
def test_pastes_are_equal(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-30, 90, (12, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(-2, 80, (12, 2))], axis=1)
    masks = rng.random((12, 28, 28)).astype("float32")
    ours = [paste_mask(mask, box, (75, 110)) for mask, box in zip(masks, boxes, strict=True)]
    np.testing.assert_array_equal(ours, paste_masks(masks, boxes, (75, 110)))


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_results_come_back_alike(resize):
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 30, (1, 6, 2)).astype("float32")
    results = {
        "boxes": np.concatenate([corners, corners + rng.uniform(2, 20, (1, 6, 2))], -1),
        "scores": rng.random((1, 6)),
        "labels": np.array([[0, 1, 0, -1, 1, -1]]),
        "masks": rng.random((1, 6, 28, 28)).astype("float32"),
        "keypoints": rng.uniform(0, 40, (1, 6, 4, 3)).astype("float32"),
    }
    results["keypoints"][..., 2] /= 40
    card = {
        "task": "detection",
        "results": list(results),
        "class_names": ["a", "b"],
        "input": {"height": 40, "width": 40, "resize": resize},
    }
    first = {name: value[0] for name, value in results.items()}
    ours = task_of("detection", card).to_original(first, (57, 83), 40, resize)
    theirs = answer(results, 0, (57, 83), card)
    np.testing.assert_allclose(ours["boxes"], theirs.boxes, atol=1e-4)
    np.testing.assert_allclose(ours["keypoints"], theirs.keypoints, atol=1e-4)
    decoded = run_lengths.decode(ours["masks"], (57, 83)) == 1
    # a pixel that lies on the threshold may fall either way, as boxes differ in the last digit
    assert decoded.any() and (decoded != theirs.masks).sum() <= 2
    texts = [one["counts"].decode() for one in ours["masks"]]
    assert texts == [encode_mask(mask)["counts"] for mask in decoded]
