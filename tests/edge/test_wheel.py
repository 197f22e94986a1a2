"""The edge wheel alone, in a fresh environment, runs a model from the command line."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from keras_struct_edge.files import write_image

EDGE = Path(__file__).resolve().parents[2] / "edge"
OFFLINE = ("No matching distribution", "connection", "Connection", "Could not find a version")


@pytest.mark.network
def test_wheel_alone_runs_a_model(write, photo, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    # from a copy: building leaves build/ behind, and a stale one would end up in the wheel
    source = shutil.copytree(EDGE, tmp_path / "edge", ignore=shutil.ignore_patterns("build"))
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}

    def run(*arguments, program=python):
        command = [str(program), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path
        )

    def pip(*arguments):  # ours, working on the other environment: it needs none of its own
        return run("-m", "pip", "--python", python, *arguments, program=sys.executable)

    installed = pip("install", "--quiet", "--no-compile", source)
    if installed.returncode and any(word in installed.stderr for word in OFFLINE):
        pytest.skip(f"pip has no packages here: {installed.stderr.strip()[-200:]}")
    assert installed.returncode == 0, installed.stderr
    packages = {row["name"] for row in json.loads(pip("list", "--format=json").stdout)}
    assert "keras-struct-edge" in packages
    assert not packages & {
        "tensorflow",
        "tensorflow_cpu",
        "tensorflow-cpu",
        "keras",
        "jax",
        "torch",
    }

    write_image(tmp_path / "photo.png", photo)
    done = run(
        "-m", "keras_struct_edge", write(), "photo.png", "--output", "o.png", "--json", "o.json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "o.json").read_text())["images"][0]["detections"]
    assert [one["box"] for one in found] == [[48, 16, 72, 32], [0, 48, 24, 64]]
    assert (tmp_path / "o.png").stat().st_size > 0
    # the runtimes that are not installed say how to get them
    failed = run("-m", "keras_struct_edge", write(".onnx"), "photo.png")
    assert failed.returncode == 1
    assert "pip install 'keras-struct-edge[onnx]'" in failed.stderr
