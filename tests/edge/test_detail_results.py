"""Detections with masks and keypoints: fields, JSON, drawing, and from an artefact."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_artefact import write_toy

from keras_struct_edge import ArtefactError, Detections, load
from keras_struct_edge.drawing import class_colour

NAMES = ("nose", "left", "right")


def make(count=3, seed=0, **changes):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 20, (count, 2))
    details = {
        "masks": rng.random((count, 30, 40)) < 0.3,
        "keypoints": rng.random((count, 3, 3)).astype("float32"),
        "keypoint_names": NAMES,
        "skeleton": ((0, 1), (1, 2)),
    }
    boxes = np.concatenate([corners, corners + 5], axis=1)
    scores, labels = np.linspace(0.9, 0.1, count), rng.integers(0, 2, count)
    return Detections(boxes, scores, labels, ("cat", "dog"), **{**details, **changes})


def test_they_are_none_unless_given():
    plain = make(masks=None, keypoints=None, keypoint_names=(), skeleton=())
    assert plain.masks is None and plain.keypoints is None
    assert plain[0].masks is None and "mask_size" not in plain.to_dict()
    assert make().without_details() == plain and make() != plain


def test_they_are_read_only_and_of_one_type():
    found = make(masks=np.ones((3, 4, 5), int), keypoints=np.zeros((3, 3, 3), int))
    assert found.masks.dtype == bool and found.keypoints.dtype == np.float32
    for array in (found.masks, found.keypoints):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    own = np.ones((3, 4, 5), bool)
    found = make(masks=own)
    own[:] = False
    assert found.masks.all()  # a copy, as it could be changed


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 3), [1, 2]),
        ([2, 0], [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        (-1, [2]),
        ([], slice(0)),
    ],
)
def test_indexing_takes_them_along(index, rows):
    found, part = make(), make()[index]
    np.testing.assert_array_equal(part.masks, found.masks[rows])
    np.testing.assert_array_equal(part.keypoints, found.keypoints[rows])
    assert (part.keypoint_names, part.skeleton) == (NAMES, ((0, 1), (1, 2)))


def test_filter_takes_them_along():
    found = make()
    assert found.filter(0.5) == found[:2]
    np.testing.assert_array_equal(found.filter(0.5).masks, found.masks[:2])


def test_equality_looks_at_them():
    found = make()
    assert found == make()
    turned = found.masks.copy()
    turned[0, 0, 0] ^= True
    moved = found.keypoints + 1e-3
    for change in ({"masks": turned}, {"keypoints": moved}, {"masks": None}, {"skeleton": ()}):
        assert found != make(**change)


@given(st.integers(0, 4), st.integers(0, 1000))
def test_json_round_trip_is_exact(count, seed):
    found = make(count, seed)
    again = Detections.from_dict(json.loads(found.to_json()))
    assert again == found and again.masks.shape == (count, 30, 40)
    assert again.keypoints.shape == (count, 3, 3)


def test_json_is_that_of_coco_and_reads_numbers_too():
    mask = np.array([[[0, 1, 0], [1, 1, 1]]], bool)
    found = Detections([[0, 0, 3, 2]], [0.5], [0], ("cat",), mask, [[[1.5, 2, 0.25]]])
    data = found.to_dict()
    assert data["mask_size"] == [2, 3] and data["num_keypoints"] == 1
    assert data["detections"][0]["mask"] == {"size": [2, 3], "counts": "131N"}
    assert data["detections"][0]["keypoints"] == [[1.5, 2.0, 0.25]]
    data["detections"][0]["mask"]["counts"] = [1, 3, 1, 1]
    assert Detections.from_dict(data) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": np.ones((2, 4, 5), bool)}, r"`masks` must have shape \(3, 'N', 'N'\).*2, 4, 5"),
        ({"masks": np.full((3, 4, 5), 0.5)}, "`masks` must be True or False.*float64"),
        ({"keypoints": np.zeros((3, 3, 2))}, r"`keypoints` must have shape .*\(3, 3, 2\)"),
        ({"keypoints": np.full((3, 3, 3), np.nan)}, "`keypoints` must be finite"),
        ({"keypoint_names": ("a",)}, "`keypoint_names` must be 3 names, .* Received: 1"),
        ({"keypoint_names": "abc"}, "must be a tuple of names"),
        ({"skeleton": ((0, 3),)}, r"`skeleton` must be pairs of numbers from 0 to 2.*\(0, 3\)"),
        ({"keypoints": None}, "`keypoint_names` and `skeleton` must come with `keypoints`"),
    ],
)
def test_wrong_fields_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        make(**change)


def test_masks_are_drawn_translucent_under_the_boxes():
    image = np.full((60, 80, 3), 90, np.uint8)
    mask = np.zeros((1, 60, 80), bool)
    mask[0, 30:45, 15:35] = True
    box = ([[10, 20, 40, 50]], [0.9], [0], ("cat",))
    plain, drawn = (Detections(*box, masks=m).draw(image) for m in (None, mask))
    changed = (plain != drawn).any(-1)
    assert changed[mask[0]].mean() > 0.95 and not changed[~mask[0]].any()
    expected = np.round(90 * 0.55 + np.array(class_colour(0)) * 0.45)
    np.testing.assert_allclose(drawn[43, 30], expected, atol=1)
    assert (image == 90).all()
    with pytest.raises(ValueError, match=r"`image` must have the masks' size \(60, 80\)"):
        Detections(*box, masks=mask).draw(image[:50])


def test_keypoints_and_their_skeleton_are_drawn():
    image = np.full((60, 80, 3), 90, np.uint8)
    points = [[[50, 10, 1.0], [70, 10, 1.0], [60, 55, 0.0]]]
    box = ([[10, 20, 40, 50]], [0.9], [0], ("cat",))
    plain = Detections(*box).draw(image)
    dots = (Detections(*box, keypoints=points).draw(image) != plain).any(-1)
    assert dots[10, 50] and dots[10, 70] and not dots[10, 60] and not dots[55, 60]
    found = Detections(*box, keypoints=points, skeleton=((0, 1), (1, 2)))
    lines = (found.draw(image) != plain).any(-1)
    assert lines[10, 60] and not lines[32, 65]


CELLS = np.zeros((2, 28, 28))
CELLS[0, :, :14] = 1.0


def test_an_artefact_gives_them_in_pixels_of_the_image(tmp_path):
    """32 x 32 seen from 64 x 96: a factor of 3 across and 2 down. The second row is padding."""
    pytest.importorskip("onnx")
    points = [[[8, 16, 0.75], [40, -4, 0.5]], [[1, 1, 1], [1, 1, 1]]]
    file = write_toy(
        tmp_path / "toy.onnx",
        boxes=((4, 8, 12, 24), (0, 0, 0, 0)),
        labels=(1, -1),
        details={"masks": CELLS, "keypoints": points},
        keypoint_names=["head", "tail"],
        skeleton=[[0, 1]],
    )
    found = load(file)(np.zeros((64, 96, 3), np.uint8))
    assert len(found) == 1 and found.masks.shape == (1, 64, 96)
    np.testing.assert_allclose(found.boxes, [[12, 16, 36, 48]])
    expected = np.zeros((64, 96), bool)
    expected[16:48, 12:24] = True
    wrong = np.argwhere(found.masks[0] != expected)
    # bilinear sampling rounds the outer corners, half a cell of 0.86 x 1.14 pixels, off
    assert {tuple(place) for place in wrong.tolist()} <= {(16, 12), (47, 12)}
    np.testing.assert_allclose(found.keypoints, [[[24, 32, 0.75], [96, 0, 0.5]]])
    assert found.keypoint_names == ("head", "tail") and found.skeleton == ((0, 1),)
    assert Detections.from_dict(json.loads(found.to_json())) == found


def test_masks_of_a_letterbox_keep_their_place(tmp_path):
    """64 x 128 in 32 x 32 covers 32 x 16; the box goes on into the filling, its mask too."""
    pytest.importorskip("onnx")
    cells = np.zeros((1, 28, 28))
    cells[:, :14] = 1.0
    file = write_toy(
        tmp_path / "toy.onnx", boxes=((8, 8, 16, 24),), labels=(0,), details={"masks": cells}
    )
    predictor = load(file)
    predictor.card["input"]["resize"] = "letterbox"
    found = predictor(np.zeros((64, 128, 3), np.uint8))
    np.testing.assert_allclose(found.boxes, [[32, 32, 64, 64]])
    assert found.masks[0, 33:63, 33:63].all() and found.masks.sum() == pytest.approx(1024, abs=8)


def test_results_that_the_card_names_must_be_there(tmp_path):
    pytest.importorskip("onnx")
    file = write_toy(tmp_path / "toy.onnx", labels=(0,), details={"masks": CELLS[:1]})
    predictor = load(file)
    results = predictor.run(np.zeros((1, 32, 32, 3), np.float32))
    del results["masks"]
    with pytest.raises(ValueError, match=r"Missing: \['masks'\]"):
        predictor.postprocess(results, (64, 96))


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"skeleton": [[0, 1, 2]]}, "`skeleton` must be a list of pairs"),
        ({"skeleton": [[0, -1]]}, "`skeleton` must be a list of pairs"),
        ({"keypoint_names": "nose"}, "`keypoint_names` must be a list of names"),
    ],
)
def test_cards_with_wrong_details_are_refused(tmp_path, card, message):
    pytest.importorskip("onnx")
    with pytest.raises(ArtefactError, match=message):
        load(write_toy(tmp_path / "toy.onnx", **card))
