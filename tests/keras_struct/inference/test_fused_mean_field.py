"""The compiled path gives NumPy's numbers, whatever the image and however many threads."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

numba = pytest.importorskip("numba")

from keras_struct.inference import float8, fused_lattice, fused_mean_field  # noqa: E402
from keras_struct.inference import plain_mean_field as plain  # noqa: E402
from keras_struct.inference.simplices import image_lattice, simplices  # noqa: E402
from keras_struct.inference.threads import Team, cut  # noqa: E402


def picture(kind, height, width):
    """Noise, one colour, or a smooth picture."""
    rng = np.random.default_rng(0)
    if kind == "noise":
        return rng.integers(0, 256, (height, width, 3), "uint8")
    if kind == "plain":
        return np.full((height, width, 3), 77, "uint8")
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3 % 256, y * 2 % 256, (x + y) % 256], -1).astype("uint8")


def random_logits(height, width, labels):
    return np.random.default_rng(1).normal(0, 2, (height, width, labels)).astype("float32")


@pytest.mark.parametrize("kind", ["noise", "plain", "smooth"])
@pytest.mark.parametrize(
    ("size", "labels", "spatial", "bilateral"),
    [
        ((1, 1), 1, (3.0, 3.0), (80.0, 13.0, 10.0)),
        ((3, 40), 2, (1.0, 3.0), (5.0, 3.0, 4.0)),
        ((40, 3), 7, (30.0, 1.0), (300.0, 200.0, 4.0)),
        ((61, 53), 8, (3.0, 3.0), (20.0, 13.0, 10.0)),
        ((200, 37), 9, (6.0, -1.0), (20.0, 40.0, 3.0)),
        ((190, 70), 21, (3.0, 3.0), (80.0, 13.0, 10.0)),
    ],
)
def test_equals_the_plain_path(kind, size, labels, spatial, bilateral):
    logits, image = random_logits(*size, labels), picture(kind, *size)
    # rounding grows with the iterations, most of all on noise: 2e-5 after four
    for iterations, tolerance in ((1, 1e-5), (4, 1e-4)):
        arguments = (logits, image, spatial, bilateral, iterations)
        found, expected = fused_mean_field.mean_field(*arguments), plain.mean_field(*arguments)
        assert_allclose(found, expected, atol=tolerance)


def test_the_number_of_threads_does_not_change_a_bit():
    logits, image = random_logits(400, 60, 5), picture("smooth", 400, 60)
    arguments = (logits, image, (3.0, 3.0), (40.0, 13.0, 10.0), 3)
    once = fused_mean_field.mean_field(*arguments, threads=1)
    for threads in (1, 2, 5):
        assert_array_equal(fused_mean_field.mean_field(*arguments, threads=threads), once)


@pytest.mark.parametrize("kind", ["noise", "plain", "smooth"])
def test_points_fall_into_the_simplices_of_numpy(kind):
    image = picture(kind, 30, 40)
    scales, digits = image_lattice(30, 40, 9.0, 11.0)
    corners, weights = np.empty(30 * 40 * 6, "uint32"), np.empty(30 * 40 * 6, "float32")
    codes, masses = np.empty(30 * 40 * 6, "int64"), np.empty(30 * 40 * 6, "float32")
    count = fused_lattice._build_strip(
        image, 0, 30, scales, digits, corners, weights, codes, masses
    )
    places = np.mgrid[:30, :40][::-1]
    features = np.concatenate([places, np.moveaxis(image, 2, 0)]).astype("float32")
    expected, shares = simplices(features.reshape(5, -1) * scales[:, None], digits)
    assert_array_equal(codes[corners], expected.T.ravel())
    assert_array_equal(weights, shares.T.ravel())
    assert count == len(np.unique(expected))
    assert masses[:count].sum() == pytest.approx(30 * 40, rel=1e-4)
    # a simplex holds its point: corners and weights give it back
    assert_allclose(shares.sum(0), 1, atol=1e-6)
    assert shares.min() >= 0


def test_arithmetic_on_eight_lanes():
    @numba.njit
    def run(a, b, results):
        x, y = float8.load(a, 0), float8.load(b, 0)
        float8.store(results, 0, float8.add(x, y))
        float8.store(results, 8, float8.subtract(x, y))
        float8.store(results, 16, float8.multiply(x, y))
        float8.store(results, 24, float8.multiply_add(x, y, float8.spread(np.float32(3))))
        float8.store(results, 32, float8.larger(x, y))
        float8.store(results, 40, float8.smaller(x, y))
        return float8.total(x), float8.largest(x)

    a, b = np.random.default_rng(0).normal(0, 1, (2, 8)).astype("float32")
    results = np.empty(48, "float32")
    total, largest = run(a, b, results)
    expected = [a + b, a - b, a * b, a * b + 3, np.maximum(a, b), np.minimum(a, b)]
    assert_allclose(results.reshape(6, 8), expected, rtol=1e-6, atol=1e-6)
    assert total == pytest.approx(a.sum(), rel=1e-6) and largest == a.max()


def test_the_exponential():
    @numba.njit
    def run(values, results):
        for place in range(0, len(values), 8):
            float8.store(results, place, float8.exponential(float8.load(values, place)))

    values = -np.geomspace(1e-6, 1e30, 8000).astype("float32")
    values[:8] = 0
    results = np.empty_like(values)
    run(values, results)
    exact = np.exp(values.astype("float64"))
    near = values > -20
    assert_allclose(results[near], exact[near], rtol=2e-6)
    assert np.abs(results[~near]).max() < 1e-8 and (results > 0).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_team_does_every_piece_once(threads):
    done = []
    with Team(threads) as team:
        team.share(done.append, 20)
        team.share(done.append, 0)
    assert sorted(done) == list(range(20))
    with Team(threads) as team, pytest.raises(ZeroDivisionError):
        team.share(lambda number: 1 // (number - 3), 5)


def test_parts_are_about_equal_and_never_empty():
    assert_array_equal(cut(10, 3), [0, 3, 6, 10])
    assert_array_equal(cut(2, 5), [0, 1, 2])
