"""The scripts a newcomer copies, run at a tiny size."""

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_artefact import write_toy

from keras_struct_tools import benchmark

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OBJECT = """<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{box[0]}</xmin>
<ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"""


@pytest.fixture(scope="module")
def voc_folder(tmp_path_factory):
    """A VOC data set of four pictures with a bright square in each."""
    folder = tmp_path_factory.mktemp("cells")
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for index in range(4):
        image = np.full((48, 64, 3), 40, "uint8")
        image[10:30, 5 + 8 * index : 25 + 8 * index] = (250, 220, 90)
        Image.fromarray(image).save(folder / "JPEGImages" / f"{index}.jpg")
        square = OBJECT.format(name="square", box=(6 + 8 * index, 11, 25 + 8 * index, 30))
        (folder / "Annotations" / f"{index}.xml").write_text(
            f"<annotation><filename>{index}.jpg</filename><size><width>64</width>"
            f"<height>48</height><depth>3</depth></size>{square}</annotation>"
        )
    for split in ("train", "val"):
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("0\n1\n2\n3\n")
    return folder


@pytest.fixture
def main(capsys, monkeypatch):
    """Run a script in this process, where TensorFlow is loaded already; give what it prints."""

    def call(script, *arguments):
        monkeypatch.setattr("sys.argv", [script, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return call


def run(script, *arguments):
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_train_then_export_and_run(main, voc_folder, tmp_path):
    model, artefact = tmp_path / "cells.keras", tmp_path / "cells.tflite"
    printed = main(
        "train_detector.py", voc_folder, f"--output={model}", "--backbone=mobilenet_v1_025",
        "--weights=none", "--image-size=64", "--batch-size=4", "--epochs=1",
    )  # fmt: skip
    assert "'mAP_50'" in printed and model.exists()
    printed = main(
        "export_and_run.py", model, f"voc:{voc_folder}", f"--output={artefact}",
        "--precision=float32",
    )  # fmt: skip
    assert f"{artefact}: {artefact.stat().st_size / 1e6:.2f} MB" in printed


def test_train_segmentation(main, tmp_path):
    model = tmp_path / "shapes.keras"
    printed = main(
        "train_segmentation.py", f"--output={model}", "--backbone=mobilenet_v1_025",
        "--weights=none", "--image-size=64", "--images=8", "--epochs=1",
    )  # fmt: skip
    assert printed.count("'mIoU'") == 2 and model.exists()


def test_running_an_artefact_loads_no_tensorflow(tmp_path):
    artefact = write_toy(tmp_path / "toy.onnx", ["red", "green"])
    files = []
    for index in range(3):
        files.append(tmp_path / f"{index}.png")
        Image.new("RGB", (60, 40), (index, 0, 0)).save(files[-1])
    found = tmp_path / "found.png"
    printed = run("run_without_tensorflow.py", artefact, *files, f"--output={found}")
    assert printed.count(": red (") == 3
    assert "TensorFlow loaded: False" in printed
    assert Image.open(found).size == (2 * 68 + 8, 2 * 48 + 8)


def test_the_demo_calls_the_benchmark_with_flags_that_exist(tmp_path):
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    command = demo.benchmark_command(tmp_path, demo.arguments().parse_args([]))
    assert Path(command[0]).exists()
    chosen = benchmark.parse(command[1:])
    assert chosen.targets == ["litert", "onnx", "tensorrt"]
    assert chosen.threads == (1, 2)
