"""The permutohedral lattice: its geometry, and a naive one of Python dictionaries."""

import numpy as np
import pytest
from keras import ops

from keras_struct.ops.gaussian_filters import PermutohedralFilter, lattice, permutohedral
from keras_struct.ops.gaussian_filters.exact import gaussian_sum
from keras_struct.ops.gaussian_filters.permutohedral import build_lattice, lattice_sum


def naive_lattice(points, values, completed):
    """Filter values (N, C) at points (N, d): one simplex after another, vertices in a dict."""
    d = points.shape[1]
    elevated = (1.05 * points + lattice.shift(d)) @ lattice.elevation(d)
    axes = (d + 1) * np.eye(d + 1, dtype=int) - 1  # minus the direction of each axis
    corners, weights, table = [], [], {}
    for point in elevated:
        # Kuhn: the remainder-0 point, then the coordinates by falling rest
        base = (np.floor(point / (d + 1)) * (d + 1)).astype(int)
        rest = point - base
        level = base.sum() // (d + 1)  # floor makes the sum negative or zero
        order = np.argsort(-rest, kind="stable")
        base[order[:-level]] += d + 1
        rest = point - base
        order = np.argsort(-rest, kind="stable")
        ranked = rest[order]
        falls = np.append(ranked[:-1] - ranked[1:], ranked[-1] - ranked[0] + d + 1) / (d + 1)
        # corner k raises all coordinates by k and lowers the last k of the order by d + 1
        own = []
        for k in range(d + 1):
            corner = base + k
            corner[order[d + 1 - k :]] -= d + 1
            own.append(tuple(corner))
        corners.append(own)
        weights.append([falls[-1], *falls[:-1][::-1]])
    for own, shares, value in zip(corners, weights, values, strict=True):
        for corner, share in zip(own, shares, strict=True):
            table[corner] = table.get(corner, 0) + share * value
    if completed:
        for corner in list(table):
            for step in [*axes, *-axes]:
                table.setdefault(tuple(np.add(corner, step)), np.zeros(values.shape[1]))

    def blurred(table, directions):
        for axis in directions:
            table = {
                key: value + 0.5 * sum(table.get(tuple(np.add(key, s * axis)), 0) for s in (-1, 1))
                for key, value in table.items()
            }
        return table

    results = [blurred(table, axes), blurred(table, axes[::-1])]
    gain = 1.05**d * lattice.blur_gain(d)
    return np.array(
        [
            sum(
                gain * share * (results[0][corner] + results[1][corner]) / 2
                for corner, share in zip(own, shares, strict=True)
            )
            for own, shares in zip(corners, weights, strict=True)
        ]
    )


def images(kind):
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 255, (7, 8, 3))
    flat = np.full((7, 8, 3), 100.0) + rng.uniform(0, 9, (7, 8, 3))
    return {"noise": noise, "flat": flat}[kind].astype("float32")


# what the image holds, rows that always have room, whether neighbours are added, rows in use
CASES = {
    "small image": ("noise", 1 << 14, True, (337, 1 << 14)),
    "too many vertices": ("noise", 1, False, (85, 336)),
    "few vertices": ("flat", 1, True, (29, 336)),
}


@pytest.mark.parametrize("words_of_key", [1, 2, 5])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_naive_lattice(case, words_of_key, monkeypatch):
    kind, small, completed, (least, most) = CASES[case]
    monkeypatch.setattr(permutohedral, "_SMALL", small)
    largest = {1: 2**31 - 1, 2: 30_000, 5: 60}[words_of_key]
    monkeypatch.setattr(lattice, "LARGEST_WORD", largest)
    image, sxy, srgb = images(kind), 9.0, 25.0
    values = np.random.default_rng(1).normal(size=(7, 8, 3)).astype("float32")
    kernel_filter = PermutohedralFilter(sxy, srgb)
    state = kernel_filter.build(ops.convert_to_tensor(image[None]))
    assert least <= int(state.count) <= most
    found = kernel_filter.apply(state, ops.convert_to_tensor(values[None]))
    rows, columns = np.indices((7, 8))
    points = np.dstack([rows / sxy, columns / sxy, image / srgb]).reshape(-1, 5)
    expected = naive_lattice(points.astype("float64"), values.reshape(-1, 3), completed)
    np.testing.assert_allclose(ops.convert_to_numpy(found)[0].reshape(-1, 3), expected, atol=2e-4)


def test_images_of_a_batch_are_completed_each_by_itself(monkeypatch):
    monkeypatch.setattr(permutohedral, "_SMALL", 1)
    both = np.stack([images("noise"), images("flat")])
    values = np.random.default_rng(1).normal(size=(2, 7, 8, 3)).astype("float32")
    kernel_filter = PermutohedralFilter(9.0, 25.0)
    state = kernel_filter.build(ops.convert_to_tensor(both))
    together = ops.convert_to_numpy(kernel_filter.apply(state, ops.convert_to_tensor(values)))
    for index in range(2):
        alone = kernel_filter.build(ops.convert_to_tensor(both[index : index + 1]))
        expected = kernel_filter.apply(alone, ops.convert_to_tensor(values[index : index + 1]))
        np.testing.assert_allclose(together[index], ops.convert_to_numpy(expected)[0], atol=1e-5)


def test_a_function_of_tensorflow_chooses_its_table_when_it_runs(monkeypatch):
    """Its code is rewritten by AutoGraph, so that nothing may look like a Python number."""
    tf = pytest.importorskip("tensorflow")
    values = np.random.default_rng(1).normal(size=(1, 7, 8, 3)).astype("float32")
    monkeypatch.setattr(permutohedral, "_SMALL", 1)
    kernel_filter = PermutohedralFilter(9.0, 25.0)

    def filtered(images):
        return kernel_filter.apply(kernel_filter.build(images), values)

    compiled = tf.function(filtered)
    for kind in ("noise", "flat"):
        image = ops.convert_to_tensor(images(kind)[None])
        np.testing.assert_allclose(compiled(image), filtered(image), atol=1e-5)


@pytest.mark.agnostic
def test_the_number_of_words_follows_the_bounds():
    assert [len(part) for part in lattice.Keys([6.0, 6.0, 19.0, 19.0, 19.0]).radices] == [5]
    assert len(lattice.Keys([6.0, 6.0, 85.0, 85.0, 85.0]).radices) == 2
    with pytest.raises(ValueError, match="Bandwidths `sxy` and `srgb` must not be that much"):
        lattice.Keys([1e10, 1.0])


@pytest.mark.agnostic
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_points_lie_where_their_corners_and_weights_say(depth):
    points = np.random.default_rng(depth).uniform(0, 9, (2, 50, depth)).astype("float32")
    points[0, :3] = 0.0  # on a vertex: all ranks tie
    vertices, weights = lattice.simplices(ops.convert_to_tensor(points))
    vertices, weights = ops.convert_to_numpy(vertices), ops.convert_to_numpy(weights)
    assert weights.min() > -1e-5
    np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)
    axes = 1 - (depth + 1) * np.eye(depth, depth + 1)
    corners = vertices @ axes
    assert (np.abs(corners.sum(-1)) < 1e-9).all()
    middle = (corners * weights[..., None]).sum(-2)
    np.testing.assert_allclose(middle, points @ lattice.elevation(depth), atol=1e-3)


@pytest.mark.parametrize("depth", [2, 3])
def test_sums_over_dense_points_are_those_of_the_unit_gaussian(depth, monkeypatch):
    """Bandwidth and scale: the sum of a wave tells the variance, that of ones the scale."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 7, (1, 6000, depth)).astype("float32")
    monkeypatch.setattr(permutohedral, "_NARROWER", 1.0)  # the theory, before the correction
    inside = (np.abs(points[0] - 3.5) < 1).all(-1)
    values = np.stack([np.ones(6000), np.cos(1.5 * points[0] @ np.ones(depth))], -1)
    values = values[None].astype("float32")
    lattice_of_points = build_lattice(ops.convert_to_tensor(points), [7.0] * depth)
    found = lattice_sum(lattice_of_points, ops.convert_to_tensor(values))
    found = ops.convert_to_numpy(found)[0][inside]
    expected = ops.convert_to_numpy(gaussian_sum(points, values))[0][inside]
    # measured: 0.012, 0.010
    assert np.abs(found - expected).mean() < 0.03 * expected[:, 0].mean()
