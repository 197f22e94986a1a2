"""The weight map of U-Net against a loop over all pixels."""

import sys

import numpy as np
import pytest

from keras_struct import losses
from keras_struct.data import border_weights

pytest.importorskip("scipy")


def two_cells(gap=2):
    """Cells of 12 x 12 pixels, `gap` pixels apart."""
    cells = np.zeros((24, 40), "int32")
    cells[6:18, 6:18], cells[6:18, 18 + gap : 30 + gap] = 1, 2
    return cells


def by_brute_force(labels, w0, sigma):
    """Distances from pixel to pixel, to the nearest one across the border of each cell."""
    places = np.argwhere(np.ones(labels.shape, bool))
    distances = []
    for number in np.unique(labels[labels > 0]):
        inside = labels.ravel() == number
        others = [places[~inside], places[inside]]
        distances.append([
            np.sqrt(((others[0 if within else 1] - place) ** 2).sum(1).min())
            for place, within in zip(places, inside, strict=True)
        ])  # fmt: skip
    d1, d2 = np.sort(distances, axis=0)[:2]
    cell = labels.ravel() > 0
    balance = np.where(cell, 0.5 / cell.mean(), 0.5 / (1 - cell.mean()))
    return (balance + w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))).reshape(labels.shape)


@pytest.mark.parametrize("w0, sigma", [(10.0, 5.0), (3.0, 1.5)])
def test_equals_the_formula_pixel_by_pixel(w0, sigma):
    cells = two_cells()
    cells[20:23, 12:25] = 7
    found = border_weights(cells, w0, sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_brute_force(cells, w0, sigma), rtol=1e-5, atol=1e-6)


def test_peaks_in_the_gap_between_two_cells():
    cells = two_cells()
    term = border_weights(cells, sigma=2.0) - border_weights(cells, w0=0.0, sigma=2.0)
    gap = np.zeros(cells.shape, bool)
    gap[6:18, 18:20] = True
    assert term[gap].min() == pytest.approx(term.max())
    assert term[~gap].max() < term.max()
    assert term[11, 12] < term.max() / 100 and term[0, 0] < term.max() / 100


def test_a_wider_gap_counts_less():
    heights = [border_weights(two_cells(gap))[11, 18] for gap in (1, 2, 4, 8)]
    assert heights == sorted(heights, reverse=True) and heights[0] > heights[-1] + 3


def test_cells_that_touch_are_told_apart_by_their_numbers():
    weights = border_weights(two_cells(gap=0))
    row = weights[11, 6:30]
    assert row.argmax() in (11, 12) and row[11] == row[12]


def test_classes_weigh_the_same_and_one_on_average():
    labels = np.zeros((10, 12), "uint8")
    labels[:2, :3], labels[8:, :1] = 1, 4
    labels[9, 9:] = 255
    weights = border_weights(labels, w0=0.0, regions=True)
    sums = [weights[labels == label].sum() for label in (0, 1, 4)]
    np.testing.assert_allclose(sums, sums[0], rtol=1e-5)
    assert weights[labels != 255].mean() == pytest.approx(1, rel=1e-5)
    assert not weights[labels == 255].any()


def test_regions_of_a_label_map_are_cells():
    cells = two_cells()
    labels = (cells > 0).astype("uint8") * 3
    np.testing.assert_array_equal(border_weights(labels, regions=True), border_weights(cells))


@pytest.mark.parametrize("cells", [np.zeros((5, 6), int), np.ones((5, 6), int), two_cells() // 2])
def test_without_a_second_cell_only_classes_are_balanced(cells):
    np.testing.assert_array_equal(border_weights(cells), border_weights(cells, w0=0.0))


def test_weights_go_into_the_loss():
    labels = (two_cells() > 0).astype("uint8")[None]
    weights = border_weights(labels[0], regions=True)
    logits = np.random.default_rng(0).normal(size=(1, *labels.shape[1:], 2)).astype("float32")
    got = losses.PixelCrossEntropy().call(labels.astype("int32"), logits, weights[None])
    log = logits[0] - np.log(np.exp(logits[0]).sum(-1, keepdims=True))
    each = -np.take_along_axis(log, labels[0][..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(got, [(each * weights).sum() / weights.sum()], rtol=1e-5)


def test_bad_input(monkeypatch):
    with pytest.raises(ValueError, match=r"`labels` must be .*shape=\(2, 3, 1\)"):
        border_weights(np.zeros((2, 3, 1), int))
    with pytest.raises(ValueError, match="`labels` must be .*dtype=float64"):
        border_weights(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="`w0` must be at least 0 .*w0=-1"):
        border_weights(two_cells(), w0=-1)
    with pytest.raises(ValueError, match="`sigma` above 0.*sigma=0"):
        border_weights(two_cells(), sigma=0)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        border_weights(two_cells())
