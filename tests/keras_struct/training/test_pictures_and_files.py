"""Schedules, drawings, and files that are whole or not there."""

import math

import numpy as np
import pytest

from keras_struct.training import cosine_schedule, draw_detections, poly_schedule
from keras_struct.training.files import replacing

IMAGE = np.zeros((60, 80, 3), np.uint8)
FOUND = {"boxes": np.array([[10, 20, 40, 50]]), "scores": np.array([0.9]), "labels": np.array([1])}
NOTHING = {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "labels": np.zeros(0, int)}


def test_cosine_after_warmup_by_the_formula():
    schedule = cosine_schedule(0.1, 100, 20, final_fraction=0.01)
    for step in (0, 5, 20, 60, 100):
        if step < 20:
            expected = 0.1 / 20 + (0.1 - 0.1 / 20) * step / 20
        else:
            cosine = 0.5 * (1 + math.cos(math.pi * (step - 20) / 80))
            expected = 0.1 * (0.99 * cosine + 0.01)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)
    assert float(cosine_schedule(0.1, 10)(0)) == pytest.approx(0.1)
    assert float(cosine_schedule(0.1, 10)(10)) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 10), "`learning_rate` must be positive"),
        ((0.1, 10, 0, 2.0), r"`final_fraction` in \[0, 1\]"),
        ((0.1, 10, 10), "below `total_steps`. Received: warmup_steps=10, total_steps=10"),
    ],
)
def test_schedule_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        cosine_schedule(*arguments)


def test_poly_by_the_formula():
    schedule = poly_schedule(0.1, 40)
    for step in (0, 10, 39):
        assert float(schedule(step)) == pytest.approx(0.1 * (1 - step / 40) ** 0.9, rel=1e-5)
    with pytest.raises(ValueError, match="`power` and `total_steps` must be positive"):
        poly_schedule(0.1, 0)


def test_drawing_paints_the_edges_and_leaves_the_rest():
    picture = draw_detections(IMAGE, FOUND, ("a", "b"))
    assert picture.shape == IMAGE.shape and not IMAGE.any()
    assert picture[50, 25].any() and picture[35, 40].any()
    assert not picture[58].any() and not picture[45, 25].any()
    true = draw_detections(IMAGE, NOTHING, ("a", "b"), truth=FOUND)
    assert (true[20, 10:41] == 255).all() and not true[21:50, 11:40].any()


def test_drawing_scales_and_survives_turned_boxes():
    assert draw_detections(IMAGE, FOUND, ("a", "b"), scale=0.5).shape == (30, 40, 3)
    turned = {**FOUND, "boxes": np.array([[40, 50, 10, np.nan]])}
    draw_detections(IMAGE, turned, ("a", "b"))


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(RuntimeError, match="half"), replacing(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError("half")
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]
