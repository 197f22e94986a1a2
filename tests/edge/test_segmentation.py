"""Segmentation: validation, areas, filtering, JSON, label files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_struct_edge import Segmentation
from keras_struct_edge.drawing import class_colour

NAMES = ("sky", "road", "tree")
# 2 x 4: five pixels of road, two of sky, one of no class
LABELS = [[0, 0, 1, 1], [1, 1, 1, 255]]


def probabilities(labels=LABELS, sure=0.8):
    rest = (1 - sure) / 2
    return np.where(np.arange(3) == np.array(labels)[..., None], sure, rest)


def test_holds_read_only_arrays():
    labels = np.array(LABELS)
    found = Segmentation(labels, ["sky", "road", "tree"], probabilities())
    labels[0, 0] = 2
    assert found.labels.tolist() == LABELS and found.class_names == NAMES
    assert (found.labels.dtype, found.probabilities.dtype) == (np.uint8, np.float32)
    for array in (found.labels, found.probabilities):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_areas_are_counted_by_class_the_largest_first():
    found = Segmentation(LABELS, NAMES)
    assert list(found.areas.items()) == [
        ("road", {"label": 1, "pixels": 5, "fraction": 5 / 8}),
        ("sky", {"label": 0, "pixels": 2, "fraction": 2 / 8}),
    ]
    assert found.summary() == "road 62 %, sky 25 %"
    assert [line.split() for line in found.lines()] == [
        ["road", "62.50", "%", "5"], ["sky", "25.00", "%", "2"]
    ]  # fmt: skip
    many = Segmentation(np.arange(8)[None])
    assert many.summary() == ", ".join(f"class {k} 12 %" for k in range(5)) + ", 3 more"
    assert Segmentation.empty().summary() == "no class"


@pytest.mark.parametrize("one", ["road", 1, np.int64(1)])
def test_mask_of_a_class(one):
    mask = Segmentation(LABELS, NAMES).mask(one)
    np.testing.assert_array_equal(mask, np.array(LABELS) == 1)


def test_filter_takes_the_class_from_pixels():
    sure = probabilities(sure=0.8)
    sure[0, 2] = [0.3, 0.4, 0.3]
    found = Segmentation(LABELS, NAMES, sure)
    assert found.filter(classes="sky").labels.tolist() == [[0, 0, 255, 255], [255] * 4]
    assert found.filter(classes=[1, "tree"]).areas.keys() == {"road"}
    # the pixel without class keeps none, however sure the network is
    assert found.filter(min_score=0.5).labels.tolist() == [[0, 0, 255, 1], [1, 1, 1, 255]]
    assert found.filter() == found


def test_equality_is_by_value():
    found = Segmentation(LABELS, NAMES)
    assert found == Segmentation(np.array(LABELS, np.int32), NAMES)
    assert found != Segmentation(LABELS, NAMES, probabilities())
    assert Segmentation(LABELS, NAMES, probabilities()) == Segmentation(
        LABELS, NAMES, probabilities()
    )
    assert found != Segmentation(LABELS, ("a", "b", "c"))
    assert found != Segmentation(np.array(LABELS).T, NAMES)
    assert found != "label map"


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_json_round_trip_is_exact(height, width, seed):
    labels = np.random.default_rng(seed).choice([0, 1, 1, 1, 2, 255], (height, width))
    found = Segmentation(labels, NAMES)
    assert Segmentation.from_dict(json.loads(found.to_json())) == found


def test_json_is_readable():
    assert Segmentation([[0, 0, 1], [1, 1, 255]], ("ä", "b")).to_dict() == {
        "class_names": ["ä", "b"],
        "height": 2,
        "width": 3,
        "areas": {
            "b": {"label": 1, "pixels": 3, "fraction": 3 / 6},
            "ä": {"label": 0, "pixels": 2, "fraction": 2 / 6},
        },
        "runs": [0, 2, 1, 3, 255, 1],
    }


@pytest.mark.parametrize("runs", [[0, 5], [0, 2, 1], [0, 9]])
def test_runs_that_do_not_fill_the_map_are_named(runs):
    data = {"class_names": [], "height": 2, "width": 3, "runs": runs}
    with pytest.raises(ValueError, match="`runs` must add up to height x width = 6 pixels"):
        Segmentation.from_dict(data)


def test_a_saved_label_map_holds_the_labels_in_class_colours(tmp_path):
    found = Segmentation(LABELS, ("background", "road", "tree"))
    found.save(tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), LABELS)
        colours = np.asarray(image.convert("RGB"))
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert colours[0, 2].tolist() == list(class_colour(1))
    with pytest.raises(ValueError, match=r"`path` must end in \.png.*labels\.jpg"):
        found.save(tmp_path / "labels.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1]}, r"`labels` must have shape \(H, W\).*\(2,\)"),
        ({"labels": np.zeros((0, 3))}, r"at least one pixel.*\(0, 3\)"),
        ({"labels": [[0.5]]}, "`labels` must be whole numbers"),
        ({"labels": [[0, 3, 7]]}, r"at least 0 and below the 3 classes, or 255.*\[3, 7\]"),
        ({"labels": [[-1]]}, r"`labels` must be at least 0.*\[-1\]"),
        ({"labels": [[256]], "class_names": ()}, r"below the 255 classes.*\[256\]"),
        ({"class_names": "sky"}, "`class_names` must be a tuple of names"),
        ({"class_names": ["a"] * 256}, "at most 255 names.*Received: 256"),
        ({"probabilities": np.zeros((2, 4, 2))}, r"must have shape \(2, 4, 3\).*\(2, 4, 2\)"),
        ({"probabilities": np.full((2, 4, 3), 1.5)}, r"in \[0, 1\].*1\.5"),
        ({"probabilities": np.full((2, 4, 3), np.nan)}, r"in \[0, 1\].*nan"),
    ],
)
def test_wrong_fields_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Segmentation(**{"labels": LABELS, "class_names": NAMES, **change})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_score": 2}, r"`min_score` must be in \[0, 1\].*2"),
        ({"min_score": 0.5}, "must be 0 where there are no probabilities.*decoder_options"),
        ({"classes": ["bird"]}, "'bird'. Classes: sky, road, tree"),
    ],
)
def test_wrong_filters_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Segmentation(LABELS, NAMES).filter(**arguments)
