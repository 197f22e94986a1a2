"""keras-struct train and what is done with its run folder."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from keras_struct import data
from keras_struct_tools import train_optimizer
from keras_struct_tools.run_folder import RunFolder


def test_a_run_folder_holds_everything_and_nothing_else(run_folder, run_files):
    assert {path.name for path in run_folder.iterdir()} == run_files
    config = json.loads((run_folder / "config.json").read_text())
    assert config["data"]["class_names"] == list(data.shapes(1).class_names)
    assert config["flags"]["batch_size"] == 3 and config["model"]["image_size"] == 64
    assert config["model"]["default_boxes"]["P4"] == [[16.0, 16.0]]
    assert set(config["versions"]) == {"keras_struct", "keras", "tensorflow", "python"}
    assert RunFolder(run_folder).config() == config
    with open(run_folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and rows[0]["val_mAP"] == "" and rows[1]["val_mAP"] != ""


def test_a_finished_run_says_so_and_does_nothing(run_folder, train_flags, command):
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    code, out, _ = command("train", *train_flags, f"--output={run_folder}")
    assert code == 0 and "finished (2 epochs)" in out and "best epoch 2" in out
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")} == before


def test_another_configuration_is_an_error_that_says_what_differs(run_folder, train_flags, command):
    flags = [*train_flags, "--learning_rate=0.1", "--noaugment_flip"]
    code, _, err = command("train", *flags, f"--output={run_folder}")
    assert code == 2
    assert "augment_flip: True there, False now; learning_rate: 0.003 there, 0.1 now" in err


def test_other_folders_are_left_alone(tmp_path, train_flags, command):
    (tmp_path / "thesis.txt").write_text("mine")
    code, _, err = command("train", *train_flags, f"--output={tmp_path}")
    assert code == 2 and "`--output` must be a run folder, or an empty or new one" in err
    for text, message in (("{", "must be JSON"), ("{}", "`format` and `version` must be")):
        (tmp_path / "config.json").write_text(text)
        code, _, err = command("train", *train_flags, f"--output={tmp_path}")
        assert code == 2 and message in err


def test_evaluate_repeats_the_numbers_of_the_training(run_folder, command, tmp_path):
    file = tmp_path / "numbers.json"
    code, out, _ = command(
        "evaluate", f"--model={run_folder}", "--data=shapes:6", "--batch_size=4", f"--json={file}"
    )
    assert code == 0 and "voc12_mAP" in out and "circle" in out
    numbers = json.loads(file.read_text())
    during = json.loads((run_folder / "metrics.json").read_text())
    assert numbers["images"] == 6
    for name in ("mAP", "mAP_50", "AR_100", "voc12_mAP"):
        assert numbers[name] == pytest.approx(during[name], abs=1e-6)


def test_predict_writes_json_and_drawings(run_folder, command, tmp_path):
    image = data.shapes(1)[0]["images"]
    Image.fromarray(image).save(tmp_path / "a.png")
    out = tmp_path / "found"
    code, text, _ = command(
        "predict",
        f"--model={run_folder}",
        f"--images={tmp_path}",
        f"--output={out}",
        "--min_score=0",
    )
    assert code == 0 and "in 1 images" in text
    row = json.loads((out / "predictions.json").read_text())["images"][0]
    assert (row["height"], row["width"]) == image.shape[:2]
    assert row["detections"] and set(row["detections"][0]) == {"label", "name", "score", "box"}
    with Image.open(out / "drawings" / "a.png.png") as drawing:
        assert drawing.size == (image.shape[1], image.shape[0])
    (tmp_path / "b.png").write_bytes(b"no image")
    code, _, err = command(
        "predict", f"--model={run_folder}", f"--images={tmp_path / 'b.png'}", f"--output={out}"
    )
    assert code == 2 and "b.png: must be an image that can be read" in err


def test_export_then_evaluate_the_artefact(run_folder, command, tmp_path):
    file = tmp_path / "tiny.tflite"
    code, out, err = command("export", f"--model={run_folder}", f"--output={file}")
    assert code == 0, err
    assert "litert, float32" in out and file.exists()
    numbers = []
    for model in (run_folder, file):
        arguments = [f"--model={model}", "--data=shapes:3", f"--json={tmp_path / 'n.json'}"]
        assert command("evaluate", *arguments)[0] == 0
        numbers.append(json.loads((tmp_path / "n.json").read_text()))
    assert numbers[0]["mAP"] == pytest.approx(numbers[1]["mAP"], abs=2e-3)
    code, _, err = command("export", f"--model={file}", "--target=onnx")
    assert code == 2 and "exported already" in err


def test_anchors_prints_what_train_would_use(command, tmp_path):
    file = tmp_path / "boxes.json"
    code, out, _ = command("anchors", "--data=shapes:9", "--counts=P3:2,P4:1", f"--json={file}")
    boxes = json.loads(file.read_text())
    assert code == 0 and f"mean best IoU {boxes['mean_best_iou']:.4f}" in out
    assert [len(boxes["default_boxes"][level]) for level in ("P3", "P4")] == [2, 1]
    assert 0.3 < boxes["mean_best_iou"] <= 1
    code, out, _ = command("anchors", "--data=shapes:9", "--num_sizes=3", f"--json={file}")
    levels = json.loads(file.read_text())["default_boxes"]
    assert code == 0 and sum(map(len, levels.values())) == 3
    code, _, err = command("anchors", "--data=shapes:9", "--num_sizes=3", "--counts=P3:2")
    assert code == 2 and "`--num_sizes` must not come with --counts" in err


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--model=ssd_nothing", "`model` must be one of"),
        ("--image_size=128", "`--image_size` must be that of the model to start from, 64"),
        ("--loss=focal", "`--loss` must be that of the model to start from, multibox"),
        ("--num_sizes=4", "`--num_sizes` must come with --default_boxes=kmeans and --pyramid"),
        ("--batch_size=7", "`batch_size` must be at most the number of images, 6"),
        ("--ema=2", "`--ema` must be auto, off or a number between 0 and 1"),
        ("--validation_split=nowhere", "`split` must be one of"),
        ("--warmup_epochs=3", "`warmup_steps` must be at least 0 and below `total_steps`"),
        ("--data=coco:a.json,b", "a.json"),
    ],
)
def test_values_that_do_not_fit(train_flags, command, tmp_path, flag, message):
    code, _, err = command("train", *train_flags, flag, f"--output={tmp_path / 'run'}")
    assert code == 2 and message in err
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_for_other_classes_is_an_error(tiny_file, tmp_path, command, tiny_backbone):
    import keras_struct as ks

    other = ks.models.SSD(
        "mobilenet_v2", 2, 64, class_names=("cat", "dog"), default_boxes={"P5": [(32.0, 32.0)]}
    )
    other.save(tmp_path / "other.keras")
    arguments = [f"--model={tmp_path / 'other.keras'}", "--data=shapes:6"]
    code, _, err = command("train", *arguments, "--batch_size=2", f"--output={tmp_path / 'run'}")
    assert code == 2 and "same classes. Received: model with 2 ['cat', 'dog']" in err
    code, _, err = command("evaluate", *arguments)
    assert code == 2 and "same classes" in err


@pytest.mark.parametrize(
    "flags",
    [
        ["--mixed_precision=bfloat16", "--optimizer=sgd", "--ema=off", "--schedule=constant"],
        ["--mixed_precision=float16", "--accumulate_steps=2", "--ema=0.9", "--loss=multibox"],
    ],
    ids=["bfloat16", "float16 and accumulation"],
)
def test_mixed_precision_trains_and_saves_a_float32_model(train_flags, command, tmp_path, flags):
    folder = tmp_path / "run"
    code, _, err = command("train", *train_flags, *flags, f"--output={folder}")
    assert code == 0, err
    assert keras.config.dtype_policy().name == "float32"
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    with np.load(folder / "state.npz") as state:
        history = json.loads(str(state["state"]))["history"]
    assert len(history) == 2 and all(np.isfinite(row["loss"]) for row in history)


def test_average_length_follows_the_training():
    assert train_optimizer.ema_momentum("auto", 10) == 0.5
    assert train_optimizer.ema_momentum("auto", 1000) == 0.98
    assert train_optimizer.ema_momentum("auto", 10**6) == 0.995
    assert train_optimizer.ema_momentum("off", 10) is None
    assert train_optimizer.ema_momentum("0.9", 10) == 0.9


def test_leftovers_of_a_killed_write_are_removed(tmp_path):
    (tmp_path / ".state.17.tmp.npz").write_bytes(b"half")
    (tmp_path / "state.npz").write_bytes(b"whole")
    RunFolder(tmp_path).remove_leftovers()
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    shutil.rmtree(tmp_path)
