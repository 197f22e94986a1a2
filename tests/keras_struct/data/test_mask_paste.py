"""Masks of boxes pasted into an image, against a loop over pixels and by hand."""

import numpy as np
import pytest

from keras_struct.data.mask_paste import paste_mask


def slow_paste(mask, box, size):
    """Bilinear, cell by cell; cells beyond the mask count as 0."""
    cells, (x1, y1, x2, y2) = len(mask), (float(edge) for edge in box)
    pasted = np.zeros(size, bool)
    for y in range(size[0]):
        for x in range(size[1]):
            v = (y + 0.5 - y1) / (y2 - y1) * cells - 0.5
            u = (x + 0.5 - x1) / (x2 - x1) * cells - 0.5
            total = 0.0
            for j in (int(np.floor(v)), int(np.floor(v)) + 1):
                for i in (int(np.floor(u)), int(np.floor(u)) + 1):
                    if 0 <= j < cells and 0 <= i < cells:
                        total += mask[j, i] * (1 - abs(v - j)) * (1 - abs(u - i))
            pasted[y, x] = total >= 0.5
    return pasted


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cells", [4, 28])
def test_equals_a_loop_over_pixels(seed, cells):
    rng = np.random.default_rng(seed)
    size = (23, 31)
    corner = rng.uniform(-8, 18, 2)
    box = np.concatenate([corner, corner + rng.uniform(3, 20, 2)])  # some reach out of the image
    mask = rng.random((cells, cells)) ** 0.5
    found = paste_mask(mask, box, size)
    np.testing.assert_array_equal(found, slow_paste(mask, box, size))
    assert found.any() and found.dtype == bool


def test_a_mask_of_as_many_cells_as_pixels_is_copied():
    mask = np.random.default_rng(0).random((6, 6))
    expected = np.zeros((10, 12), bool)
    expected[2:8, 4:10] = mask >= 0.5
    np.testing.assert_array_equal(paste_mask(mask, [4, 2, 10, 8], (10, 12)), expected)


def test_a_half_plane_falls_where_it_should():
    """The left 14 of 28 cells over a box from 3 to 31: cells are pixels, x = 17 is the border."""
    mask = np.zeros((28, 28))
    mask[:, :14] = 1
    found = paste_mask(mask, [3, 0, 31, 28], (28, 40))
    assert found[:, 3:17].all() and not found[:, :3].any() and not found[:, 17:].any()
    # the same in a box twice as wide: the border is in its middle, 3 + 28
    wide = paste_mask(mask, [3, 0, 59, 28], (28, 60))
    assert wide[14, 3:31].all() and not wide[14, 31:].any()


@pytest.mark.parametrize(
    "box", [[5, 5, 5, 9], [9, 9, 5, 5], [40, 2, 60, 9], [-20, 2, -3, 9], [float("nan"), 0, 5, 5]]
)
def test_boxes_without_area_or_outside_give_an_empty_mask(box):
    found = paste_mask(np.ones((28, 28)), box, (12, 30))
    assert found.shape == (12, 30) and not found.any()
