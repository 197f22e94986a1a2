"""Whole cells: quantisation, maxima and means of RoIPool, the pyramid and R-FCN's pooling."""

import keras
import numpy as np
import pytest
import region_loops as loops
from keras import ops
from region_cases import differences, gradients, random_map, some_boxes

from keras_struct.ops import position_sensitive_roi_pool, roi_pool, spatial_pyramid_pooling
from keras_struct.ops.region_features.quantized import longest_bin, touched_cells
from keras_struct.ops.region_features.range_maxima import powers_for


def pool(features, boxes, size):
    values = roi_pool({"P4": np.float32(features)}, np.float32(boxes), size)
    return ops.convert_to_numpy(values)


def counting(height, width):
    return np.arange(height * width, dtype="float32").reshape(1, height, width, 1)


@pytest.mark.agnostic
def test_by_hand():
    # Columns round(20 / 16) = 1 to round(90 / 16) = 6, rows 0 to 3: bins of columns 1-3 and 3-5,
    # rows 0-1 and 1-2; the last of each is largest.
    values = pool(counting(5, 8), [[[20, 7, 90, 50]]], 2)[0, 0, ..., 0]
    np.testing.assert_array_equal(values, [[8 + 3, 8 + 5], [16 + 3, 16 + 5]])


def test_halves_are_rounded_up():
    cells = pool(counting(1, 8), [[[8, 0, 24, 16], [7.9, 0, 23.9, 16]]], 1)[0, :, 0, 0, 0]
    np.testing.assert_array_equal(cells, [1, 0])


def test_a_box_without_area_gives_the_cell_at_its_point():
    boxes = [[[32, 16, 32, 16], [32, 16, 35, 60], [500, 16, 500, 16], [-50, 0, -50, 16]]]
    values = pool(counting(4, 5) + 1, boxes, 2)[0, ..., 0]
    np.testing.assert_array_equal(values[0], 8)
    np.testing.assert_array_equal(values[1], [[13, 13], [18, 18]])
    assert not values[2:].any()


def test_negative_maxima_stay_negative():
    values = pool(counting(4, 5) - 100, [[[0, 0, 80, 64], [-900, -900, 900, 900]]], 3)
    assert values.max() == -81


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("cells", [1, 2, 5, 8, 9, 33, 63])
def test_windows_suffice_for_every_bin_of_every_box(size, cells):
    start, end = np.triu_indices(cells + 1, 1)
    start, end = (np.float32(edge)[None, :, None] for edge in (start, end))
    low, high = map(ops.convert_to_numpy, touched_cells(start, end, cells, size))
    length = end - start
    number = np.arange(size)
    np.testing.assert_array_equal(low, start + np.floor(np.float64(number * length) / size))
    np.testing.assert_array_equal(high, start + np.ceil(np.float64((number + 1) * length) / size))
    assert (
        (high - low).max() == longest_bin(cells, size) <= 2 ** powers_for(longest_bin(cells, size))
    )
    # No more than needed: with one less, two windows do not reach from end to end.
    powers = powers_for(longest_bin(cells, size))
    assert powers == 1 or longest_bin(cells, size) > 2 ** (powers - 1)


@pytest.mark.agnostic
def test_gradient_equals_finite_differences():
    features = np.random.default_rng(0).permutation(60).reshape(1, 5, 6, 2).astype("float32")
    boxes = np.float32([[[3, 5, 90, 77], [-20, 30, 40, 90], [10, 10, 10, 10], [300, 0, 310, 9]]])
    weights = np.random.default_rng(1).normal(size=(1, 4, 2, 2, 2)).astype("float32")

    def value(features):
        return ops.sum(roi_pool({"P4": features}, boxes, 2) * weights)

    (found,) = gradients(value, features)
    # float32 sums near 300 in steps of 0.02
    np.testing.assert_allclose(found, differences(value, features, 0.25), atol=1e-3)
    assert np.count_nonzero(found) <= 4 * 4 * 2


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_gradient_of_a_bin_goes_to_its_maximum_whole(size):
    features = np.random.default_rng(0).permutation(99).reshape(1, 9, 11, 1).astype("float32")
    boxes = some_boxes(0, images=1)[:, :1]

    def value(features):
        return ops.sum(roi_pool({"P4": features}, boxes, size))

    (found,) = gradients(value, features)
    pooled = pool(features, boxes, size).ravel()
    expected = [[(pooled == cell).sum() for cell in row] for row in features[0, ..., 0]]
    np.testing.assert_array_equal(found[0, ..., 0], expected)


def test_coarse_bins_are_made_of_fine_ones():
    start, end = np.triu_indices(40, 1)
    start, end = (np.float32(edge)[None, :, None] for edge in (start, end))
    fine = [ops.convert_to_numpy(edge) for edge in touched_cells(start, end, 40, 6)]
    for count in (3, 2, 1):
        coarse = [ops.convert_to_numpy(edge) for edge in touched_cells(start, end, 40, count)]
        step = 6 // count
        np.testing.assert_array_equal(coarse[0], fine[0][..., ::step])
        np.testing.assert_array_equal(coarse[1], fine[1][..., step - 1 :: step])
        # and without gaps between
        assert (fine[1][..., :-1] >= fine[0][..., 1:]).all()


def test_the_pyramid_is_pools_one_after_another():
    features, boxes = random_map(0, 3), some_boxes(0)
    levels = {"P4": features}
    values = ops.convert_to_numpy(spatial_pyramid_pooling(levels, boxes, (2, 6, 4)))
    parts = [pool(features, boxes, size).reshape(2, boxes.shape[1], -1) for size in (2, 6, 4)]
    np.testing.assert_array_equal(values, np.concatenate(parts, axis=-1))


@pytest.mark.parametrize("height, width", [(1, 1), (5, 9), (13, 7)])
def test_the_pyramid_is_as_long_for_any_image(height, width):
    whole = np.float32([[[0, 0, 16 * width, 16 * height]]])
    values = spatial_pyramid_pooling({"P4": random_map(0, 4, height, width, 1)}, whole)
    assert values.shape == (1, 1, (36 + 9 + 4 + 1) * 4)


def test_each_bin_reads_its_own_channels_alone():
    features, size = random_map(0, 9 * 2), 3
    boxes = some_boxes(0)

    def pooled(features):
        levels = {"P4": features}
        return ops.convert_to_numpy(position_sensitive_roi_pool(levels, boxes, size))

    whole = pooled(features)
    for i, j in np.ndindex(size, size):
        own = np.zeros_like(features)
        part = slice((i * size + j) * 2, (i * size + j + 1) * 2)
        own[..., part] = features[..., part]
        kept = pooled(own)
        np.testing.assert_array_equal(kept[:, :, i, j], whole[:, :, i, j])
        kept[:, :, i, j] = 0
        assert not kept.any()


def test_means_of_large_maps_far_from_zero_stay_exact():
    features = random_map(0, 49, 40, 64, images=1) + np.float32(50)
    boxes = np.random.default_rng(0).uniform(0, 600, (1, 30, 4)).astype("float32")
    boxes[..., 2:] += boxes[..., :2]
    expected = loops.every_region(loops.position_sensitive_roi_pool, features, boxes, 16, 7)
    values = position_sensitive_roi_pool({"P4": features}, boxes, 7)
    # measured: 1e-5; sums of the values themselves are off by 5e-3
    np.testing.assert_allclose(ops.convert_to_numpy(values), expected, atol=4e-5)


def compiled(function):
    if keras.backend.backend() == "jax":
        return pytest.importorskip("jax").jit(function)
    if keras.backend.backend() == "torch":
        pytest.skip("torch is not compiled here")
    return pytest.importorskip("tensorflow").function(function, jit_compile=True)


@pytest.mark.parametrize("pooling", [roi_pool, position_sensitive_roi_pool])
def test_compiled_code_takes_the_same_cells(pooling):
    # Bins whose edges are whole cells, where a division that is not exact takes one more.
    features = random_map(0, 49, 50, 50, images=1)
    start, cells = np.meshgrid(np.arange(8), np.arange(1, 43))
    box = np.stack([start, start, start + cells, start + cells], axis=-1).reshape(1, -1, 4)
    run = compiled(lambda features, boxes: pooling({"P4": features}, boxes, 7))
    values = ops.convert_to_numpy(run(features, np.float32(16 * box)))
    expected = pooling({"P4": features}, np.float32(16 * box), 7)
    np.testing.assert_allclose(values, ops.convert_to_numpy(expected), atol=1e-5)
