"""Masks: pasted as a loop over pixels would, and run lengths as COCO writes them."""

import numpy as np
import pytest

from keras_struct_edge.masks import decode_mask, encode_mask, paste_masks


def slow_paste(mask, box, size):
    """Bilinear between the cells of a mask with a border of zeros around it."""
    cells, (x1, y1, x2, y2) = len(mask), (float(edge) for edge in box)
    around = np.pad(np.asarray(mask, float), 1)
    pasted = np.zeros(size, bool)
    for y, x in np.ndindex(*size):
        v = (y + 0.5 - y1) / (y2 - y1) * cells + 0.5  # of the padded mask
        u = (x + 0.5 - x1) / (x2 - x1) * cells + 0.5
        if not (0 <= v < cells + 1 and 0 <= u < cells + 1):
            continue
        j, i = int(v), int(u)
        b, a = v - j, u - i
        upper = (1 - a) * around[j, i] + a * around[j, i + 1]
        lower = (1 - a) * around[j + 1, i] + a * around[j + 1, i + 1]
        pasted[y, x] = (1 - b) * upper + b * lower >= 0.5
    return pasted


@pytest.mark.parametrize("seed", range(3))
def test_paste_equals_a_loop_over_pixels(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-8, 18, (4, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(3, 20, (4, 2))], axis=1)
    masks = rng.random((4, 28, 28)).astype("float32") ** 0.5
    pasted = paste_masks(masks, boxes, (23, 31))
    assert pasted.shape == (4, 23, 31) and pasted.dtype == bool and pasted.any()
    for found, mask, box in zip(pasted, masks, boxes, strict=True):
        np.testing.assert_array_equal(found, slow_paste(mask, box, (23, 31)))


def test_a_mask_of_as_many_cells_as_pixels_is_copied():
    mask = np.random.default_rng(0).random((1, 6, 6))
    expected = np.zeros((1, 10, 12), bool)
    expected[:, 2:8, 4:10] = mask >= 0.5
    np.testing.assert_array_equal(paste_masks(mask, [[4, 2, 10, 8]], (10, 12)), expected)


def test_boxes_without_area_or_outside_and_no_boxes():
    boxes = [[5, 5, 5, 9], [40, 2, 60, 9], [-20, 2, -3, 9]]
    pasted = paste_masks(np.ones((3, 28, 28)), boxes, (12, 30))
    assert pasted.shape == (3, 12, 30) and not pasted.any()
    assert paste_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), (12, 30)).shape == (0, 12, 30)


def test_counts_by_hand():
    """Column by column 0 1 | 1 1 | 0 1: one outside, three inside, one outside, one inside.

    As text each is a letter from "0" on; the fourth is told as the difference to the second,
    1 - 3 = -2, whose five bits are 11110, thirty: chr(48 + 30) = "N".
    """
    mask = np.array([[0, 1, 0], [1, 1, 1]], bool)
    assert encode_mask(mask) == {"size": [2, 3], "counts": "131N"}
    for counts in ("131N", [1, 3, 1, 1]):
        np.testing.assert_array_equal(decode_mask({"size": [2, 3], "counts": counts}), mask)


MASKS = [
    np.zeros((5, 7), bool),
    np.ones((5, 7), bool),
    np.ones((300, 400), bool),  # counts of several letters
    *(np.random.default_rng(k).random((40, 60)) < p for k, p in enumerate((0.02, 0.5, 0.95))),
    np.pad(np.ones((90, 3), bool), ((100, 10), (200, 80))),
]


@pytest.mark.parametrize("mask", MASKS)
def test_run_lengths_are_those_of_coco(mask):
    coco_mask = pytest.importorskip("faster_coco_eval.core.mask")
    ours = encode_mask(mask)
    theirs = coco_mask.encode(np.asfortranarray(mask, "uint8"))
    assert ours == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
    back = decode_mask(ours)
    assert back.dtype == bool
    np.testing.assert_array_equal(back, mask)


@pytest.mark.parametrize("counts", [[7], [-1, 7], "13", "131", "131n", "\x7f", "131N1"])
def test_counts_that_do_not_fit_are_an_error(counts):
    with pytest.raises(ValueError, match="`counts` must be at least 0 and add up .* = 6 pixels"):
        decode_mask({"size": [2, 3], "counts": counts})
