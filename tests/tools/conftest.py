"""The command line on a tiny network, trained once for all tests of this folder."""

import importlib.util
from pathlib import Path
from unittest import mock

import pytest

from keras_struct import backbones, data
from keras_struct_tools import main

DRIVER = Path(__file__).with_name("tiny_run.py")


def _driver():
    spec = importlib.util.spec_from_file_location("tiny_run", DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.keras"
    driver = _driver()
    with mock.patch.object(backbones, "create", driver.tiny_backbone):
        driver.tiny_ssd(data.shapes(1).class_names).save(path)
    return path


@pytest.fixture(scope="module")
def tiny_backbone():
    """Let every SSD of a test module have four convolutions."""
    with mock.patch.object(backbones, "create", _driver().tiny_backbone):
        yield


@pytest.fixture(scope="session")
def run_files():
    """Names of what a run folder holds."""
    return {
        *("config.json", "model.keras", "last.keras", "state.npz"),
        *("history.csv", "metrics.json", "curves.png", "gallery.png", "tensorboard"),
    }


@pytest.fixture
def train_flags(tiny_file, tiny_backbone):
    return flags_of(tiny_file)


def flags_of(tiny_file):
    """A training of two epochs."""
    return [
        f"--model={tiny_file}",
        "--data=shapes:6",
        "--batch_size=3",
        "--epochs=2",
        "--evaluate_every=2",
        "--learning_rate=0.003",
        "--gallery=4",
        "--progress=none",
    ]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, tiny_file, tiny_backbone):
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert main.run(["train", *flags_of(tiny_file), f"--output={folder}"]) == 0
    return folder


@pytest.fixture
def command(capsys):
    """Run the command; give exit code, stdout and stderr."""

    def call(*arguments):
        capsys.readouterr()
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
