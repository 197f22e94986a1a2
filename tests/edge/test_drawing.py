"""Drawing: boxes where they belong, in their class' colour, with text that can be read."""

import itertools

import numpy as np
import pytest
from PIL import Image

from keras_struct_edge import Detections, Segmentation
from keras_struct_edge.drawing import class_colour

GREY = 90


def blank(height=120, width=160):
    return np.full((height, width, 3), GREY, np.uint8)


def one(box, label=0, score=0.5, names=("cat", "dog")):
    return Detections([box], [score], [label], names)


@pytest.mark.parametrize("label", [0, 1])
def test_edges_have_the_class_colour_and_the_inside_stays(label):
    drawn = one([40, 50, 120, 100], label).draw(blank(), line_width=2)
    colour = list(class_colour(label))
    # continuous edges: the box covers pixels 40..119 and 50..99
    for y, x in [
        (99, 80),
        (98, 80),
        (75, 40),
        (75, 41),
        (75, 119),
        (75, 118),
        (50, 110),
        (99, 119),
    ]:
        assert drawn[y, x].tolist() == colour
    for y, x in [(75, 80), (100, 80), (75, 39), (75, 120), (97, 80), (75, 117)]:
        assert drawn[y, x].tolist() == [GREY] * 3


def test_label_has_a_background_and_readable_ink():
    drawn = one([40, 50, 120, 100], score=0.875).draw(blank())
    above = drawn[30:50, 40:120].reshape(-1, 3)
    background = (above == class_colour(0)).all(axis=1).sum()
    ink = (above.max(axis=1) < 80).sum()  # class 0 is light blue: black ink, smoothed
    assert background > 200 and ink > 10


@pytest.mark.parametrize("label", range(12))
def test_ink_contrasts_with_every_colour(label):
    names = tuple("abcdefghijkl")
    drawn = one([40, 50, 150, 100], label, names=names).draw(blank())
    patch = drawn[38:50, 41:60].reshape(-1, 3).astype(int)
    weights = np.array([0.299, 0.587, 0.114])
    assert np.ptp(patch @ weights) > 100


def test_colours_of_neighbouring_classes_differ():
    colours = np.array([class_colour(label) for label in range(10)], int)
    distances = [np.abs(a - b).sum() for a, b in itertools.combinations(colours, 2)]
    assert min(distances) > 60
    assert class_colour(3) == class_colour(3)


def test_gives_back_what_it_was_given_and_leaves_it_alone():
    array = blank()
    drawn = one([10, 10, 50, 50]).draw(array)
    assert isinstance(drawn, np.ndarray) and drawn.dtype == np.uint8
    assert (array == GREY).all() and (drawn != GREY).any()
    image = Image.fromarray(array)
    picture = one([10, 10, 50, 50]).draw(image)
    assert isinstance(picture, Image.Image)
    np.testing.assert_array_equal(np.asarray(picture), drawn)
    np.testing.assert_array_equal(np.asarray(image), array)


def test_nothing_found_draws_nothing():
    np.testing.assert_array_equal(Detections.empty().draw(blank()), blank())


def test_the_line_grows_with_the_image():
    def thickness(side):
        drawn = one([0.1 * side, 0.5 * side, 0.9 * side, 0.95 * side]).draw(blank(side, side))
        column = drawn[int(0.7 * side) :, int(0.8 * side)]
        return (column == class_colour(0)).all(axis=1).sum()

    assert thickness(200) == 1
    assert thickness(1000) == 5


@pytest.mark.parametrize(
    "box",
    [[0, 0, 160, 120], [0, 0, 0, 0], [160, 120, 160, 120], [3, 3, 3.2, 3.1], [150, 0, 160, 5]],
)
@pytest.mark.parametrize("size", [(120, 160), (1, 1), (5, 300)])
def test_boxes_at_the_border_and_without_area_draw(box, size):
    drawn = one(box, names=("a rather long name for so small an image", "dog")).draw(blank(*size))
    assert drawn.shape == (*size, 3)


def test_the_best_lies_on_top():
    both = Detections([[20, 60, 90, 90]] * 2, [0.9, 0.4], [0, 1], ("cat", "dog"))
    assert both.draw(blank())[89, 70].tolist() == list(class_colour(0))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("photo.jpg",), TypeError, "`image` must be.*type str"),
        ((blank().astype(float),), TypeError, "dtype uint8"),
        ((blank(), 0), ValueError, "`line_width` must be a positive integer.*line_width=0"),
        ((blank(), 1.5), ValueError, "line_width=1.5"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        one([0, 0, 1, 1]).draw(*arguments)


def halves(names=("cat", "dog"), left=0, right=1):
    labels = np.full((120, 160), left)
    labels[:, 80:] = right
    return Segmentation(labels, names)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_an_overlay_blends_the_class_colours(alpha):
    drawn = halves().draw(blank(), alpha=alpha, legend=False)
    for x, label in ((20, 0), (140, 1)):
        expected = (1 - alpha) * GREY + alpha * np.array(class_colour(label))
        np.testing.assert_allclose(drawn[60, x], expected, atol=1)


def test_background_and_pixels_without_class_stay_as_they_are():
    for found in (halves(("background", "dog")), halves(left=255)):
        drawn = found.draw(blank(), legend=False)
        assert (drawn[:, :80] == GREY).all() and (drawn[:, 80:] != GREY).any()
        # neither has a place in the legend
        named = (found.draw(blank()) != drawn).any(axis=2)
        assert 5 < named[:, 0].sum() < 25


def test_the_legend_names_the_classes_on_their_colours():
    drawn, plain = (halves().draw(blank(), 0.0, legend) for legend in (True, False))
    changed = (drawn != plain).any(axis=2)
    rows, columns = changed.any(axis=1), changed.any(axis=0)
    assert rows[:10].all() and not rows[60:].any() and not columns[60:].any()
    for label in (0, 1):
        patch = drawn[changed]
        assert (patch == class_colour(label)).all(axis=1).sum() > 100
    # no class is named that is not there, and none twice
    assert (halves(right=0).draw(blank(), 0.0) != plain).any(axis=2).sum() < changed.sum()


@pytest.mark.parametrize("size", [(1, 1), (5, 300)])
def test_tiny_label_maps_draw(size):
    drawn = Segmentation(np.zeros(size, int), ("a rather long name",)).draw(blank(*size))
    assert drawn.shape == (*size, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((blank(), 1.5), r"`alpha` must be in \[0, 1\].*alpha=1.5"),
        ((blank(60, 160),), r"`image` must have the label map's size \(120, 160\).*\(60, 160\)"),
    ],
)
def test_wrong_overlays_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        halves().draw(*arguments)
