"""keras-struct propose, and a training on what it found."""

import json

import keras
import pytest
from keras import ops

from keras_struct import data, models

OPTIONS = [
    f"--model_option={option}"
    for option in ("neck=pyramid", "width=8", "units=8", "num_proposals=20")
]
TRAINING = [
    *("--model=fast_rcnn_mobilenet_v2", "--data=shapes:4", "--image_size=64", "--batch_size=2"),
    *("--epochs=1", "--backbone_weights=none", "--gallery=2", "--progress=none", *OPTIONS),
]


@pytest.fixture(name="proposals", scope="module")
def proposals_of_shapes(tmp_path_factory):
    from keras_struct_tools import main

    path = tmp_path_factory.mktemp("proposals") / "found.npz"
    assert main.run(["propose", "--data=shapes:4", "--most=50", f"--output={path}"]) == 0
    return path


def test_every_image_of_every_split_has_some_and_none_is_searched_twice(proposals, command):
    found = data.Proposals.load(proposals)
    assert len(found) == 8
    for split in ("train", "val"):
        dataset = data.open("shapes:4", split)
        for index in range(4):
            boxes = found.of(dataset.annotation(index))
            assert 0 < len(boxes) <= 50 and boxes.min() >= 0
    code, out, _ = command("propose", "--data=shapes:4", f"--output={proposals}")
    assert code == 0 and "proposals of 8 images, 0 of them new" in out


def test_training_and_evaluation_take_them(proposals, tiny_backbone, tmp_path, command):
    run = tmp_path / "run"
    flags = (f"--proposals={proposals}", f"--output={run}")
    code, _, err = command("train", *TRAINING, *flags)
    assert code == 0, err
    assert {"model.keras", "gallery.png"} <= {path.name for path in run.iterdir()}
    numbers = tmp_path / "numbers.json"
    code, out, err = command(
        *("evaluate", f"--model={run}", "--data=shapes:4"),
        *(f"--proposals={proposals}", f"--json={numbers}"),
    )
    assert code == 0, err
    assert json.loads(numbers.read_text())["images"] == 4
    code, _, err = command("evaluate", f"--model={run}", "--data=shapes:4")
    assert code == 2 and "`--proposals` must come with this model" in err


def test_what_does_not_fit_is_said(proposals, tiny_backbone, tiny_file, tmp_path, command):
    code, _, err = command("train", *TRAINING, f"--output={tmp_path / 'run'}")
    assert code == 2 and "`--proposals` must come with this model" in err
    code, _, err = command(
        "evaluate", f"--model={tiny_file}", "--data=shapes:4", f"--proposals={proposals}"
    )
    assert code == 2 and "`--proposals` must not come with this model" in err
    code, _, err = command("propose", "--data=shapes:4", "--output=found.txt")
    assert code == 2 and "`--output` must be an .npz file" in err


def test_linear_heads_make_a_model_of_their_own(proposals, tmp_path, command):
    tuned, fitted = tmp_path / "tuned.keras", tmp_path / "fitted.keras"
    names = data.open("shapes:4", "train").class_names
    model = models.SPPNet(
        "mobilenet_v2_035", len(names), 64, num_proposals=20, units=8, class_names=names
    )
    model.save(tuned)
    flags = (f"--model={tuned}", "--data=shapes:4", "--split=val", f"--proposals={proposals}")
    code, out, err = command("fit_heads", *flags, f"--output={fitted}")
    assert code == 0 and "linear heads fitted on 4 images" in out, err
    loaded = keras.saving.load_model(fitted)
    before, after = (each.box_branch.classes.kernel for each in (model, loaded))
    assert (
        loaded.classifier == "svm"
        and not (ops.convert_to_numpy(before) == ops.convert_to_numpy(after)).any()
    )
    code, _, err = command("fit_heads", *flags, "--output=fitted.h5")
    assert code == 2 and "`--output` must be a .keras file" in err
