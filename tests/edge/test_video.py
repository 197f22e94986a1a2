"""Videos and cameras through the command line (opencv)."""

import json
import sys

import numpy as np
import pytest

from keras_struct_edge.cli import main
from keras_struct_edge.video import Video, video_writer


@pytest.fixture
def film(tmp_path, photo):
    """Six frames; the patches are there from the third on."""
    pytest.importorskip("cv2")
    path = tmp_path / "film.avi"
    with video_writer(path, rate=10.0) as write:
        for number in range(6):
            write(photo if number >= 2 else np.zeros_like(photo))
    return path


def command(*arguments):
    return main([str(argument) for argument in arguments])


def test_frames_are_annotated_in_order(write, film, tmp_path, photo):
    drawn, boxes = tmp_path / "drawn.mp4", tmp_path / "boxes.json"
    assert command(write(), film, "--output", drawn, "--json", boxes) == 0
    frames = json.loads(boxes.read_text())["frames"]
    assert [len(frame["detections"]) for frame in frames] == [0, 0, 2, 2, 2, 2]
    assert [frame["seconds"] for frame in frames] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    images = list(Video(str(drawn)))
    assert len(images) == 6
    # blue patch: red and blue are not exchanged on the way through opencv's BGR
    assert images[5][56, 12, 2] > 120 > images[5][56, 12, 0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["boxes.json", "drawn.mp4", "film.avi"]


def test_label_maps_are_laid_over_frames(write_labeller, film, tmp_path):
    drawn, report = tmp_path / "drawn.avi", tmp_path / "report.json"
    assert command(write_labeller(), film, "--output", drawn, "--json", report) == 0
    frames = json.loads(report.read_text())["frames"]
    assert "blue" not in frames[0]["areas"] and frames[5]["areas"]["blue"]["pixels"] > 300
    images = list(Video(str(drawn)))
    assert len(images) == 6 and images[0][60, 12, 0] < images[5][60, 12, 2]


def test_frames_can_be_limited(write, film, tmp_path, capsys):
    assert command(write(), film, "--frames", 3) == 0
    assert "film.avi: 3 frames" in capsys.readouterr().out


def fails(capsys, *arguments):
    assert command(*arguments) == 1
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")][0]


def test_what_is_no_video(write, tmp_path, capsys):
    pytest.importorskip("cv2")
    (tmp_path / "noise.mp4").write_bytes(bytes(500))
    error = fails(capsys, write(), tmp_path / "noise.mp4", "--output", tmp_path / "drawn.mp4")
    assert "noise.mp4 cannot be opened" in error
    assert not (tmp_path / "drawn.mp4").exists()
    assert "camera:NUMBER. Received: camera:x" in fails(capsys, write(), "camera:x")
    assert "camera camera:99 cannot be opened" in fails(capsys, write(), "camera:99")


def test_a_video_without_frames(write, film, capsys, monkeypatch):
    monkeypatch.setattr(Video, "__iter__", lambda self: iter(()))
    assert "gave no frame" in fails(capsys, write(), film)


def test_a_failure_leaves_no_half_video(write, film, tmp_path, capsys, photo, monkeypatch):
    def frames(self):
        yield photo
        raise RuntimeError("unplugged")

    monkeypatch.setattr(Video, "__iter__", frames)
    assert "unplugged" in fails(capsys, write(), film, "--output", tmp_path / "drawn.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["film.avi"]


def test_stopping_a_camera_keeps_what_was_seen(write, tmp_path, photo, monkeypatch):
    pytest.importorskip("cv2")

    class Camera:
        rate, length = 10.0, None

        def __init__(self, source):
            pass

        def __iter__(self):
            yield photo
            raise KeyboardInterrupt

        def close(self):
            pass

    monkeypatch.setattr("keras_struct_edge.commands.Video", Camera)
    assert command(write(), "camera:0", "--output", tmp_path / "seen.avi") == 0
    assert len(list(Video(str(tmp_path / "seen.avi")))) == 1


def test_missing_opencv(write, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert "pip install 'keras-struct-edge[camera]'" in fails(capsys, write(), "camera:0")


def test_a_video_that_cannot_be_written(write, film, tmp_path, capsys, monkeypatch):
    import cv2

    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda self: False, raising=False)
    assert "opencv cannot write" in fails(capsys, write(), film, "--output", tmp_path / "a.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["film.avi"]
