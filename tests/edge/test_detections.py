"""Detections: validation, indexing, filtering, JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_struct_edge import Detections

NAMES = ("cat", "dog", "cow")


def make(count=4, seed=0, names=NAMES):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 50, (count, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(0, 40, (count, 2))), axis=1)
    return Detections(boxes, rng.uniform(0, 1, count), rng.integers(0, 3, count), names)


def test_holds_read_only_float32_copies():
    scores = np.array([0.5, 0.25])
    found = Detections(np.zeros((2, 4)), scores, [0, 1], ["cat", "dog"])
    scores[0] = 9
    assert found.scores.tolist() == [0.5, 0.25]
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.labels.dtype == np.int32
    assert found.class_names == ("cat", "dog")
    assert found.names == ["cat", "dog"]
    with pytest.raises(ValueError, match="read-only"):
        found.scores[0] = 1
    with pytest.raises(AttributeError, match="cannot assign"):
        found.scores = scores


def indices(count):
    mask = st.lists(st.booleans(), min_size=count, max_size=count).map(np.array)
    array = st.lists(st.integers(-count, count - 1), max_size=6)
    return st.one_of(mask, array, array.map(lambda v: np.array(v, int)), st.slices(count))


@given(st.data(), st.integers(1, 7))
def test_indexing_equals_indexing_each_field(data, count):
    found = make(count)
    index = data.draw(indices(count))
    part = found[index]
    plain = np.array(index, int) if isinstance(index, list) else index
    assert isinstance(part, Detections)
    np.testing.assert_array_equal(part.boxes, found.boxes[plain])
    np.testing.assert_array_equal(part.scores, found.scores[plain])
    np.testing.assert_array_equal(part.labels, found.labels[plain])
    assert part.class_names == NAMES


@pytest.mark.parametrize("index", [0, 3, -1, np.int64(2)])
def test_an_int_gives_one_detection(index):
    found = make(4)
    assert len(found[index]) == 1
    np.testing.assert_array_equal(found[index].boxes[0], found.boxes[index])


def test_iterates_in_order_and_ends():
    found = make(4)
    assert [one.scores[0] for one in found] == found.scores.tolist()
    assert list(Detections.empty()) == []
    with pytest.raises(IndexError):
        found[4]


def test_a_score_mask_reads_like_the_sentence():
    found = Detections(np.zeros((3, 4)), [0.9, 0.5, 0.6], [0, 1, 2], NAMES)
    assert found[found.scores > 0.5].names == ["cat", "cow"]


def test_equality_is_by_value():
    assert make(3) == make(3)
    assert make(3) != make(3, seed=1)
    assert make(3) != make(3, names=("a", "b", "c"))
    assert make(3) != "detections"


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({}, [0, 1, 2, 3]),
        ({"min_score": 0.5}, [0, 1]),  # at the threshold: kept
        ({"min_score": 1.0}, []),
        ({"classes": ["dog"]}, [1, 3]),
        ({"classes": "dog"}, [1, 3]),
        ({"classes": [0, "cow"]}, [0, 2]),
        ({"classes": 2}, [2]),
        ({"classes": []}, []),
        ({"min_score": 0.3, "classes": ["cow", "dog"]}, [1, 2]),
    ],
)
def test_filter(arguments, kept):
    found = Detections(np.zeros((4, 4)), [0.9, 0.5, 0.3, 0.1], [0, 1, 2, 1], NAMES)
    assert found.filter(**arguments) == found[kept]


def test_filter_at_a_score_that_float32_rounds():
    found = Detections(np.zeros((1, 4)), [0.3], [0], NAMES)  # float32(0.3) > 0.3 > float32(0.7)..
    assert len(found.filter(min_score=0.3)) == 1
    found = Detections(np.zeros((1, 4)), [0.7], [0], NAMES)
    assert len(found.filter(min_score=0.7)) == 1


def test_empty_is_valid():
    empty = Detections.empty(NAMES)
    assert len(empty) == 0 and empty.names == [] and empty.class_names == NAMES
    assert empty.boxes.shape == (0, 4)
    assert empty.filter(0.5, ["cat"]) == empty
    assert Detections.from_dict(empty.to_dict()) == empty


@given(st.integers(0, 5), st.integers(0, 1000))
def test_json_round_trip_is_exact(count, seed):
    found = make(count, seed)
    assert Detections.from_dict(json.loads(found.to_json())) == found


def test_json_is_readable():
    found = Detections([[1, 2.5, 3, 4]], [0.9], [1], ("cat", "hünd"))
    assert json.loads(found.to_json()) == {
        "class_names": ["cat", "hünd"],
        "detections": [{"label": 1, "name": "hünd", "score": 0.9, "box": [1.0, 2.5, 3.0, 4.0]}],
    }
    assert "0.9," in found.to_json() and "hünd" in found.to_json()


def test_names_without_class_names():
    assert Detections(np.zeros((1, 4)), [0.5], [7]).names == ["class 7"]


ONE = {"boxes": [[0, 0, 1, 1]], "scores": [0.5], "labels": [0], "class_names": NAMES}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": [0, 0, 1, 1]}, r"`boxes` must have shape \('N', 4\).*\(4,\)"),
        ({"boxes": np.zeros((1, 5))}, r"`boxes` must have shape \('N', 4\).*\(1, 5\)"),
        ({"scores": [0.5, 0.5]}, r"`scores` must have shape \(1,\).*\(2,\)"),
        ({"labels": [[0]]}, r"`labels` must have shape \(1,\).*\(1, 1\)"),
        ({"labels": [0.5]}, "`labels` must be whole numbers"),
        ({"labels": [3]}, r"`labels` must be at least 0 and below the 3 classes.*\[3\]"),
        ({"labels": [-1]}, r"`labels` must be at least 0.*\[-1\]"),
        ({"boxes": [[0, 0, np.nan, 1]]}, "`boxes` must be finite"),
        ({"boxes": [[5, 0, 1, 1]]}, r"`boxes` must be xyxy with x2 >= x1.*5\.0, 0\.0, 1\.0"),
        ({"scores": [1.5]}, r"`scores` must be in \[0, 1\]"),
        ({"scores": [np.nan]}, r"`scores` must be in \[0, 1\]"),
        ({"class_names": "cat"}, "`class_names` must be a tuple of names"),
    ],
)
def test_wrong_fields_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Detections(**{**ONE, **change})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_score": 2}, r"`min_score` must be in \[0, 1\].*2"),
        ({"classes": ["bird"]}, "'bird'. Classes: cat, dog, cow"),
        ({"classes": [3]}, "Received: 3"),
    ],
)
def test_wrong_filters_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Detections(**ONE).filter(**arguments)
