"""The command line: what it writes, what it says, and how it ends."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from keras_struct_edge import Detections, Segmentation, load
from keras_struct_edge.cli import main
from keras_struct_edge.files import atomic, read_image, write_image


@pytest.fixture
def model(write):
    return write()


@pytest.fixture
def folder(tmp_path, photo):
    """A folder with two photos and a text file."""
    photos = tmp_path / "photos"
    photos.mkdir()
    write_image(photos / "a.png", photo)
    write_image(photos / "b.png", photo[::-1])
    (photos / "notes.txt").write_text("not an image")
    return photos


def command(*arguments):
    return main([str(argument) for argument in arguments])


def usage_error(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        command(*arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_one_image(model, folder, photo, tmp_path, capsys):
    drawn, boxes = tmp_path / "drawn.png", tmp_path / "boxes.json"
    assert command(model, folder / "a.png", "--output", drawn, "--json", boxes) == 0
    expected = load(model)(photo)
    np.testing.assert_array_equal(read_image(drawn), expected.draw(photo))
    report = json.loads(boxes.read_text())
    assert report["model"] == str(model)
    assert [(i["file"], i["height"], i["width"]) for i in report["images"]] == [
        (str(folder / "a.png"), 64, 96)
    ]
    assert Detections.from_dict({**report, **report["images"][0]}) == expected
    printed = capsys.readouterr().out
    assert "1 red, 1 blue" in printed
    assert "0.98     48.0     16.0     72.0     32.0" in printed


def test_scores_classes_and_threads(model, folder, tmp_path):
    boxes = tmp_path / "boxes.json"

    def names(*options):
        assert command(model, folder / "a.png", "--json", boxes, *options) == 0
        return [d["name"] for d in json.loads(boxes.read_text())["images"][0]["detections"]]

    assert names() == ["red", "blue"]
    assert names("--min-score", 0.9) == ["red"]
    assert names("--classes", "blue,green", "--threads", 2) == ["blue"]
    assert names("--min-score", 1) == []


def test_a_folder(model, folder, tmp_path, capsys):
    drawn, boxes = tmp_path / "drawn", tmp_path / "boxes.json"
    assert command(model, folder, "--output", drawn, "--json", boxes) == 0
    assert sorted(path.name for path in drawn.iterdir()) == ["a.png", "b.png"]
    images = json.loads(boxes.read_text())["images"]
    assert [image["file"] for image in images] == [str(folder / "a.png"), str(folder / "b.png")]
    assert "b.png: 1 red, 1 blue" in capsys.readouterr().out


def test_label_maps(write_labeller, folder, photo, tmp_path, capsys):
    model, drawn, labels = write_labeller(), tmp_path / "drawn", tmp_path / "labels"
    report = tmp_path / "report.json"
    command(model, folder, "--output", drawn, "--labels", labels, "--json", report)
    for name, image in (("a.png", photo), ("b.png", photo[::-1])):
        expected = load(model)(image)
        np.testing.assert_array_equal(read_image(drawn / name), expected.draw(image))
        with Image.open(labels / name) as found:
            np.testing.assert_array_equal(np.asarray(found), expected.labels)
    found = json.loads(report.read_text())
    assert Segmentation.from_dict({**found, **found["images"][1]}) == expected
    assert "b.png: red 94 %, blue 6 %" in capsys.readouterr().out
    assert command(model, folder / "a.png", "--labels", tmp_path / "a.png") == 0
    assert (tmp_path / "a.png").read_bytes() == (labels / "a.png").read_bytes()
    assert re.search(r"  blue +\d\.\d\d %", capsys.readouterr().out)


def test_label_maps_of_some_classes(write_labeller, folder, tmp_path):
    labels = tmp_path / "labels.png"

    def seen(*options, **card):
        model = write_labeller(**card)
        assert command(model, folder / "a.png", "--labels", labels, *options) == 0
        with Image.open(labels) as found:
            return set(np.unique(np.asarray(found)).tolist())

    assert seen() == {0, 2}
    assert seen("--classes", "blue,green") == {2, 255}
    scored = {"results": ["segmentation", "probabilities"]}
    # black pixels tie at a third; the patches are sure, their blended borders less so
    assert seen("--min-score", 0.9, **scored) == {0, 2, 255}


def test_options_that_a_model_cannot_follow(model, write_labeller, folder, tmp_path, capsys):
    photo, name = folder / "a.png", tmp_path / "a.png"
    assert "--labels is for label maps" in usage_error(capsys, model, photo, "--labels", name)
    labeller = write_labeller()
    error = usage_error(capsys, labeller, photo, "--min-score", 0.5)
    assert "--min-score needs a model that gives probabilities" in error
    error = usage_error(capsys, labeller, photo, "--labels", name, "--output", name)
    assert "would both write" in error
    assert "--labels must end in one of .png" in usage_error(
        capsys, labeller, photo, "--labels", tmp_path / "a.jpg"
    )
    assert "--labels needs images" in usage_error(
        capsys, labeller, tmp_path / "film.mp4", "--labels", name
    )
    assert not name.exists()


def test_a_bad_image_does_not_lose_the_others(model, folder, tmp_path, capsys):
    (folder / "a.jpg").write_bytes(b"not an image")
    boxes = tmp_path / "boxes.json"
    assert command(model, folder, "--json", boxes) == 1
    assert len(json.loads(boxes.read_text())["images"]) == 2
    errors = capsys.readouterr().err
    assert "a.jpg cannot be read as an image" in errors and "1 of 3 images" in errors


def test_benchmark_prints_every_step(model, folder, capsys):
    assert command(model, folder / "a.png", "--benchmark", 3) == 0
    printed = capsys.readouterr().out
    assert "median of 3 runs" in printed
    for step in ("preprocess", "run", "postprocess", "total"):
        assert step in printed


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        command("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.count("python -m keras_struct_edge cells.tflite") >= 5
    assert "exit status: 0" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-score", 2], "must be a number from 0 to 1, received 2"),
        (["--min-score", "high"], "--min-score: must be a number from 0 to 1, received high"),
        (["--threads", 0], "--threads: must be a whole number, at least 1, received 0"),
        (["--classes", "bird"], "'bird'. Classes: red, green, blue"),
        (["--frames", 3], "--frames is for a video or a camera"),
        (["--output", "drawn.xyz"], "--output must end in one of .jpg"),
        (["--json", "no/such/folder.json"], "--json is in a folder that does not exist: no/such"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_usage_errors(model, folder, capsys, options, message):
    assert re.search(message, usage_error(capsys, model, folder / "a.png", *options))


def test_wrong_targets_are_usage_errors(model, folder, tmp_path, capsys):
    photo, film = folder / "a.png", tmp_path / "film.mp4"
    assert "would overwrite" in usage_error(capsys, model, photo, "--output", photo)
    assert "would overwrite" in usage_error(capsys, model, folder, "--output", folder)
    assert "is a folder" in usage_error(capsys, model, photo, "--json", folder)
    (tmp_path / "file").write_text("")
    assert "must be a folder" in usage_error(capsys, model, folder, "--output", tmp_path / "file")
    assert "run them separately" in usage_error(
        capsys, model, photo, photo, "--output", tmp_path / "new"
    )
    assert "the only source" in usage_error(capsys, model, film, photo)
    assert "--benchmark needs an image" in usage_error(capsys, model, film, "--benchmark", 2)
    assert "end in one of .mp4 .avi" in usage_error(
        capsys, model, film, "--output", tmp_path / "a.png"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png", "notes.txt"]


def one_line_error(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("INFO")]
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


def test_failures_are_one_line(model, folder, tmp_path, capsys):
    photo = folder / "a.png"
    assert command(tmp_path / "none.tflite", photo) == 1
    assert "There is no file" in one_line_error(capsys)
    assert command(model, tmp_path / "none.png") == 1
    assert "There is no file or folder" in one_line_error(capsys)
    assert command(model, tmp_path / "none.mp4") == 1
    assert "There is no video" in one_line_error(capsys)
    (tmp_path / "void").mkdir()
    assert command(model, tmp_path / "void") == 1
    assert "holds no images" in one_line_error(capsys)
    (tmp_path / "bad.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(99))
    assert command(tmp_path / "bad.tflite", photo) == 1
    assert "bad.tflite is damaged" in one_line_error(capsys)


def test_an_interrupt_is_one_line(model, folder, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_struct_edge.commands.load", interrupt)
    assert command(model, folder / "a.png") == 1
    assert one_line_error(capsys) == "error: stopped"


def test_files_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="on the way"), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("on the way")
    assert path.read_text() == "old"
    with atomic(path) as temporary:
        assert temporary.suffix == ".json" and temporary.parent == tmp_path
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_every_kind_of_image_is_read_as_rgb(tmp_path, mode):
    name = tmp_path / ("image.tif" if mode in ("CMYK", "I;16") else "image.png")
    Image.new(mode, (7, 5)).save(name)
    image = read_image(name)
    assert image.shape == (5, 7, 3) and image.dtype == np.uint8


def test_images_are_turned_upright(tmp_path, photo):
    upright = Image.fromarray(photo)
    exif = upright.getexif()
    exif[0x0112] = 6  # the camera was held on its side: turn right to see it upright
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), photo)


def test_cut_short_images_are_named(tmp_path, photo):
    write_image(tmp_path / "whole.jpg", photo)
    (tmp_path / "short.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"short\.jpg cannot be read.*(?i:truncated)"):
        read_image(tmp_path / "short.jpg")
    with pytest.raises(FileNotFoundError, match="There is no image"):
        read_image(tmp_path / "none.jpg")
