import numpy as np
import pytest

from keras_struct.ops.anchors import anchor_sizes, grid_anchors

pytestmark = pytest.mark.agnostic


def test_sizes_of_faster_rcnn_have_its_areas_and_ratios():
    sizes = np.array(anchor_sizes(["P4"], (8, 16, 32))["P4"])
    areas = [128**2, 256**2, 512**2] * 3
    np.testing.assert_allclose(sizes.prod(axis=1), areas, rtol=1e-6)
    ratios = np.repeat([0.5, 1.0, 2.0], 3)
    np.testing.assert_allclose(sizes[:, 1] / sizes[:, 0], ratios, rtol=1e-6)


def test_a_pyramid_has_one_scale_a_level():
    sizes = anchor_sizes([f"P{level}" for level in range(2, 7)], (8,))
    squares = [size[1] for size in sizes.values()]
    assert squares == [(s, s) for s in (32, 64, 128, 256, 512)]


def test_rows_and_columns_of_images_that_are_not_square():
    boxes = grid_anchors({"P3": ((4, 2),)}, {"P3": (2, 3)}, (16, 24))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    np.testing.assert_allclose(centres, [(x, y) for y in (4, 12) for x in (4, 12, 20)])
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], [(4, 2)] * 6)


def test_steps_that_do_not_divide_the_image():
    boxes = grid_anchors({"P3": ((4, 4),)}, {"P3": (2, 2)}, (15, 15), {"P3": 8})
    np.testing.assert_allclose(boxes[-1], (10, 10, 14, 14))
