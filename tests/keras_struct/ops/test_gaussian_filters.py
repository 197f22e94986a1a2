"""Gaussian filters: against all pairs, as matrices, and what they share."""

import numpy as np
import pytest
from brute_crf import image_points, kernel
from keras import ops

from keras_struct.ops import gaussian_filters
from keras_struct.ops.gaussian_filters import (
    ExactFilter,
    GridFilter,
    LocalFilter,
    PermutohedralFilter,
    SpatialFilter,
    bilateral_filter,
    exact,
    symmetric_normalization,
)

FILTERS = {
    "spatial": SpatialFilter(2.0),
    "exact": ExactFilter(6.0, 30.0),
    "permutohedral": PermutohedralFilter(6.0, 30.0),
    "grid": GridFilter(6.0, 30.0),
    "local": LocalFilter(6.0, 30.0, radius=2, dilation=2),
}


def smooth_photo(height, width, seed=0, depth=3):
    """A picture of a few soft colours with an edge, (H, W, depth) float32."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width)) / max(height, width)
    waves = np.stack([np.sin(3 * x + 4 * y + phase) for phase in rng.uniform(0, 6, depth)], -1)
    return (128 + 60 * waves + 60 * (x > 0.4)[..., None]).clip(0, 255).astype("float32")


def random_values(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def filtered(kernel_filter, image, values):
    state = kernel_filter.build(ops.convert_to_tensor(image[None]))
    return ops.convert_to_numpy(kernel_filter.apply(state, ops.convert_to_tensor(values[None])))[0]


def all_pairs(image, values, sxy, srgb):
    weights = kernel(image_points(image, sxy, srgb))
    return (weights @ values.reshape(-1, values.shape[-1]).astype("float64")).reshape(values.shape)


def relative(found, expected):
    return np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))


@pytest.mark.agnostic
@pytest.mark.parametrize("chunk", [1, 700, 1 << 21])
def test_exact_is_the_sum_over_all_pairs(chunk, monkeypatch):
    monkeypatch.setattr(exact.gaussian_sum, "__defaults__", (chunk,))
    image, values = smooth_photo(9, 11), random_values((9, 11, 3))
    found = filtered(ExactFilter(4.0, 20.0), image, values)
    np.testing.assert_allclose(found, all_pairs(image, values, 4.0, 20.0), atol=2e-5)


@pytest.mark.agnostic
def test_exact_moves_with_its_points():
    rng = np.random.default_rng(0)
    points, values = random_values((2, 40, 5)), random_values((2, 40, 3), 2)
    order = rng.permutation(40)
    straight = ops.convert_to_numpy(exact.gaussian_sum(points, values))
    moved = ops.convert_to_numpy(exact.gaussian_sum(points[:, order], values[:, order]))
    np.testing.assert_allclose(moved, straight[:, order], atol=1e-5)


@pytest.mark.agnostic
@pytest.mark.parametrize(("height", "width", "sigma"), [(7, 5, 3.0), (150, 9, 3.0), (9, 140, 9.0)])
def test_spatial_is_exact_in_blocks_too(height, width, sigma):
    values = random_values((height, width, 2)) + 1
    found = filtered(SpatialFilter(sigma), np.zeros((height, width, 3)), values)
    expected = all_pairs(np.zeros((height, width, 3)), values, sigma, 1.0)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5 * abs(expected).max())


def normalized_filter(kernel_filter, image, values):
    smooth = symmetric_normalization(kernel_filter, ops.convert_to_tensor(image[None]))
    return ops.convert_to_numpy(smooth(ops.convert_to_tensor(values[None])))[0]


# measured: 0.025, 0.022
@pytest.mark.parametrize(("name", "error"), [("permutohedral", 0.05), ("grid", 0.045)])
def test_approximations_are_near_all_pairs(name, error):
    image = np.repeat(smooth_photo(24, 20)[..., :1], 3, axis=-1)
    values = random_values((24, 20, 2)) + 1
    expected = normalized_filter(FILTERS["exact"], image, values)
    assert relative(normalized_filter(FILTERS[name], image, values), expected) < error


def test_the_grid_keeps_the_scale_of_the_gaussian():
    image = np.repeat(smooth_photo(24, 20)[..., :1], 3, axis=-1)
    values = random_values((24, 20, 2)) + 1
    found = filtered(FILTERS["grid"], image, values)
    assert relative(found, all_pairs(image, values, 6.0, 30.0)) < 0.1  # measured: 0.051


@pytest.mark.agnostic
def test_a_window_as_large_as_the_image_is_exact():
    image, values = smooth_photo(6, 5), random_values((6, 5, 2))
    found = filtered(LocalFilter(3.0, 30.0, radius=5, dilation=1), image, values)
    np.testing.assert_allclose(found, all_pairs(image, values, 3.0, 30.0), atol=1e-5)


def test_a_window_takes_every_second_pixel_at_dilation_two():
    values = np.zeros((9, 9, 1), "float32")
    values[4, 4] = 1
    found = filtered(LocalFilter(3.0, 30.0, radius=1, dilation=2), np.zeros((9, 9, 3)), values)
    assert sorted(zip(*np.nonzero(found[..., 0]), strict=True)) == [
        (row, column) for row in (2, 4, 6) for column in (2, 4, 6)
    ]
    np.testing.assert_allclose(found[2, 4, 0], np.exp(-0.5 * 4 / 9), rtol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_symmetric_and_positive_on_the_diagonal(name):
    """As matrices, found column by column: their gradient is then the filter again."""
    image = smooth_photo(5, 6)
    columns = np.eye(30, dtype="float32").reshape(5, 6, 30)
    matrix = filtered(FILTERS[name], image, columns).reshape(30, 30)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-4)
    assert matrix.diagonal().min() > 0.1


@pytest.mark.parametrize("name", FILTERS)
def test_normalisation_keeps_the_root_of_the_sums(name):
    image = smooth_photo(8, 7)[None]
    ones = np.ones((1, 8, 7, 1), "float32")
    state = FILTERS[name].build(ops.convert_to_tensor(image))
    root = ops.convert_to_numpy(FILTERS[name].apply(state, ops.convert_to_tensor(ones))) ** 0.5
    smooth = symmetric_normalization(FILTERS[name], ops.convert_to_tensor(image))
    found = ops.convert_to_numpy(smooth(ops.convert_to_tensor(root)))
    np.testing.assert_allclose(found, root, rtol=1e-4)  # D^1/2 1 is an eigenvector, value 1


@pytest.mark.parametrize("name", FILTERS)
def test_images_of_a_batch_do_not_touch_each_other(name):
    rng = np.random.default_rng(3)
    images = np.stack([smooth_photo(7, 9), rng.uniform(0, 255, (7, 9, 3)), smooth_photo(7, 9, 5)])
    images = images.astype("float32")
    values = random_values((3, 7, 9, 2))
    state = FILTERS[name].build(ops.convert_to_tensor(images))
    together = ops.convert_to_numpy(FILTERS[name].apply(state, ops.convert_to_tensor(values)))
    for index in range(3):
        alone = filtered(FILTERS[name], images[index], values[index])
        np.testing.assert_allclose(together[index], alone, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("name", ["permutohedral", "grid"])
def test_any_number_of_colour_channels(name, depth):
    image = np.repeat(smooth_photo(20, 16)[..., :1], depth, axis=-1)
    values = random_values((20, 16, 1)) + 1
    expected = normalized_filter(FILTERS["exact"], image, values)
    assert relative(normalized_filter(FILTERS[name], image, values), expected) < 0.1


@pytest.mark.agnostic
def test_filters_by_name():
    assert bilateral_filter("local", 5.0, 6.0, radius=3) == LocalFilter(5.0, 6.0, radius=3)
    with pytest.raises(ValueError, match="`filter` must be one of .'exact', 'permuto.*'fast'"):
        bilateral_filter("fast", 1.0, 1.0)
    with pytest.raises(
        ValueError, match=r"of the 'grid' filter must be among .'cell', 'colours'.*radi"
    ):
        bilateral_filter("grid", 1.0, 1.0, radius=2)
    with pytest.raises(ValueError, match=r"`cell` must lie in \(0, 1.25\]. Received: cell=2"):
        bilateral_filter("grid", 1.0, 1.0, cell=2)
    with pytest.raises(ValueError, match="`colours` must be a positive integer. .*colours=0"):
        bilateral_filter("grid", 1.0, 1.0, colours=0)
    with pytest.raises(ValueError, match="`dilation` must be a positive integer. .*dilation=0"):
        bilateral_filter("local", 1.0, 1.0, dilation=0)


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, "3", None, True])
def test_bandwidths_are_positive_numbers(value):
    with pytest.raises(ValueError, match="`sxy` must be a positive number"):
        gaussian_filters.check_bandwidth(value, "sxy")
