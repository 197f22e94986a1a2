"""Points between cells: alignment, borders and gradients of RoIAlign and the warp."""

import numpy as np
import pytest
from keras import ops
from region_cases import differences, gradients, random_map

from keras_struct.ops import position_sensitive_roi_align, region_warp, roi_align, roi_pool
from keras_struct.ops.region_features.region_warp import MEAN_COLOUR


def ramp(slope_y, slope_x, height=12, width=16, stride=16):
    """A map whose value at pixel (y, x) of the image is slope_y * y + slope_x * x."""
    y, x = (stride * (np.arange(side) + 0.5) for side in (height, width))
    values = slope_y * y[:, None] + slope_x * x
    return values[None, :, :, None].astype("float32")


def align(features, box, **options):
    values = roi_align({"P4": features}, np.float32([[box]]), **options)
    return ops.convert_to_numpy(values)[0, 0, ..., 0]


def centres(box, size):
    """Pixels (y, x) of the middles of the bins."""
    x1, y1, x2, y2 = box
    parts = (np.arange(size) + 0.5) / size
    return y1 + (y2 - y1) * parts[:, None], x1 + (x2 - x1) * parts


@pytest.mark.parametrize("sampling", [1, 2, 3])
@pytest.mark.parametrize("box", [[20, 30, 90, 150], [33.3, 41.7, 34.1, 42.9], [8, 8, 248, 184]])
def test_a_linear_ramp_is_met_exactly(box, sampling):
    y, x = centres(box, 7)
    values = align(ramp(0.25, -0.5), box, size=7, sampling=sampling)
    # measured: 4e-6 at values up to 100
    np.testing.assert_allclose(values, 0.25 * y - 0.5 * x, atol=3e-5)


@pytest.mark.agnostic
def test_a_shift_of_a_quarter_pixel_is_seen_where_pooling_sees_none():
    features, box = ramp(1.0, 2.0), np.float32([40, 36, 120, 100])
    moved = box + np.float32([0.25, 0, 0.25, 0])
    difference = align(features, moved, size=4) - align(features, box, size=4)
    np.testing.assert_allclose(difference, 0.25 * 2.0, atol=1e-4)
    pooled = [roi_pool({"P4": features}, one[None, None], 4) for one in (box, moved)]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, pooled))


def test_a_box_without_area_gives_the_value_at_its_point():
    values = align(ramp(1.0, 2.0), [50.5, 61, 50.5, 61], size=3)
    np.testing.assert_allclose(values, 61 + 2 * 50.5, rtol=1e-6)
    # An end before its start is one at its start.
    values = align(ramp(1.0, 2.0), [50.5, 61, 20, 10], size=3)
    np.testing.assert_allclose(values, 61 + 2 * 50.5, rtol=1e-6)


def test_borders_continue_by_half_a_cell_and_end_there():
    features = np.ones((1, 12, 16, 1), "float32")
    inside = [[-8, -8, -8, -8], [264, 200, 264, 200], [-8, 200, -8, 200]]
    outside = [[-8.01, 50, -8.01, 50], [264.1, 50, 264.1, 50], [50, -8.01, 50, -8.01]]
    outside += [[50, 200.1, 50, 200.1], [-1e6, -1e6, -1e5, -1e5]]
    for boxes, expected in ((inside, 1.0), (outside, 0.0)):
        for box in boxes:
            np.testing.assert_array_equal(align(features, box, size=2), expected)
    # Half of the points of the only bin lie outside.
    assert align(features, [-36, 32, 20, 48], size=1)[0, 0] == 0.5


@pytest.mark.agnostic
def test_gradient_equals_finite_differences():
    features = random_map(0, 2, height=4, width=5, images=1)
    boxes = np.float32([[[3, 5, 61, 50], [-20, 30, 40, 90], [10, 10, 10, 10]]])
    weights = np.random.default_rng(1).normal(size=(1, 3, 2, 2, 2)).astype("float32")

    def value(features):
        return ops.sum(roi_align({"P4": features}, boxes, 2) * weights)

    (found,) = gradients(value, features)
    np.testing.assert_allclose(found, differences(value, features), atol=1e-3)
    assert np.abs(found).max() > 0.1


def test_each_bin_reads_its_own_channels_alone():
    features, size = random_map(0, 9 * 2), 3
    boxes = np.float32([[[20, 10, 150, 140]]] * 2)

    def pooled(features):
        levels = {"P4": features}
        return ops.convert_to_numpy(position_sensitive_roi_align(levels, boxes, size))

    whole = pooled(features)
    for i, j in np.ndindex(size, size):
        own = np.zeros_like(features)
        part = slice((i * size + j) * 2, (i * size + j + 1) * 2)
        own[..., part] = features[..., part]
        kept = pooled(own)
        np.testing.assert_array_equal(kept[:, :, i, j], whole[:, :, i, j])
        kept[:, :, i, j] = 0
        assert not kept.any()


def test_the_whole_image_without_context_stays_itself():
    images = random_map(0, 3, height=8, width=8)
    warped = region_warp({"P0": images}, np.float32([[[0, 0, 8, 8]]] * 2), 8, context=0)
    np.testing.assert_allclose(ops.convert_to_numpy(warped)[:, 0], images, atol=1e-6)


def test_context_pixels_of_the_result_lie_around_the_box():
    x = np.tile(np.arange(20, dtype="float32") + 0.5, (1, 20, 1))[..., None]
    warped = region_warp({"P0": x}, np.float32([[[8, 8, 12, 12]]]), 8, context=2, fill=-1)
    # 4 pixels of the result for the 4 of the box, 2 more on each side
    np.testing.assert_allclose(ops.convert_to_numpy(warped)[0, 0, 3, :, 0], np.arange(6, 14) + 0.5)
    at_border = region_warp({"P0": x}, np.float32([[[0, 8, 4, 12]]]), 8, context=2, fill=-1)
    expected = [-1, -1, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    np.testing.assert_allclose(ops.convert_to_numpy(at_border)[0, 0, 3, :, 0], expected)


def test_beyond_the_image_is_the_mean_colour():
    images = np.zeros((1, 8, 8, 3), "float32")
    warped = region_warp({"P0": images}, np.float32([[[20, 0, 30, 8]]]), 8, context=1)
    colours = np.broadcast_to(np.float32(MEAN_COLOUR), (8, 8, 3))
    np.testing.assert_array_equal(ops.convert_to_numpy(warped)[0, 0], colours)


@pytest.mark.parametrize("context", [-1, 4, 1.0])
def test_context_must_leave_room(context):
    with pytest.raises(ValueError, match="`context` must be .* less than half of `size`"):
        region_warp({"P0": np.zeros((1, 8, 8, 3))}, np.zeros((1, 1, 4)), 8, context)


@pytest.mark.parametrize("fill", [(1, 2), "red", ()])
def test_fill_must_suit_the_channels(fill):
    with pytest.raises(ValueError, match="`fill` must be a number, or one for each of 3 channels"):
        region_warp({"P0": np.zeros((1, 8, 8, 3))}, np.zeros((1, 1, 4)), 8, 1, fill)
