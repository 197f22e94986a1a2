"""keras-struct train, evaluate, predict and export for label maps, on a folder of tiny ones."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image
from toy_labelling import NAMES, ToyLabels, grey_shapes

from keras_struct import models
from keras_struct.data import class_frequencies, label_map_to_original, label_maps
from keras_struct_edge.preprocessing import labels_to_original
from keras_struct_tools import main, train_labels, train_optimizer

SIZE = (48, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Label maps of the shapes world: six images to train on and three to validate with."""
    path = tmp_path_factory.mktemp("grey")
    (path / "classes.txt").write_text("\n".join(NAMES))
    for split, count, first in (("train", 6, 0), ("val", 3, 50)):
        samples = grey_shapes(count, SIZE, first)
        for part in ("images", "labels"):
            (path / split / part).mkdir(parents=True)
        for index in range(count):
            sample = samples.read(index, "segmentation_masks")
            labels = sample["segmentation_masks"][..., 0]
            Image.fromarray(sample["images"]).save(path / split / "images" / f"{index}.png")
            Image.fromarray(labels).save(path / split / "labels" / f"{index}.png")
    return path


@pytest.fixture(scope="module")
def toy_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "toy.keras"
    keras.utils.set_random_seed(0)
    ToyLabels(len(NAMES), SIZE, class_names=NAMES).save(path)
    return path


def flags_of(model, folder):
    """A training of two epochs."""
    return [
        f"--model={model}",
        f"--data=label_maps:{folder}",
        *("--batch_size=3", "--epochs=2", "--learning_rate=0.01", "--augment_scale=0.8,1.5"),
        *("--gallery=3", "--progress=none"),
    ]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, toy_file, folder):
    path = tmp_path_factory.mktemp("runs") / "toy"
    flags = [*flags_of(toy_file, folder), "--crop_size=32x48"]
    assert main.run(["train", *flags, f"--output={path}"]) == 0
    return path


def test_a_run_folder_is_that_of_detection_with_other_numbers(run_folder, run_files):
    assert {path.name for path in run_folder.iterdir()} == run_files
    config = json.loads((run_folder / "config.json").read_text())
    assert config["data"]["class_names"] == list(NAMES)
    assert config["model"]["image_size"] == list(SIZE)
    with open(run_folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and all(0 <= float(row["val_mIoU"]) <= 1 for row in rows)
    model = keras.saving.load_model(run_folder / "model.keras", compile=False)
    assert isinstance(model, ToyLabels)


def test_a_finished_run_says_its_best_mean_iou(run_folder, toy_file, folder, command):
    flags = [*flags_of(toy_file, folder), "--crop_size=32x48"]
    code, out, _ = command("train", *flags, f"--output={run_folder}")
    best = json.loads((run_folder / "metrics.json").read_text())
    assert code == 0 and "finished (2 epochs)" in out and "mIoU" in out and "boundary_F" in out
    assert set(best["per_class"]) == set(NAMES)


def numbers_of(command, model, folder, tmp_path, *flags):
    file = tmp_path / "numbers.json"
    arguments = [f"--model={model}", f"--data=label_maps:{folder}", f"--json={file}", *flags]
    code, out, err = command("evaluate", *arguments)
    assert code == 0, err
    assert "boundary_F" in out and "background" in out
    return json.loads(file.read_text())


def test_evaluate_repeats_the_numbers_of_the_training(run_folder, folder, command, tmp_path):
    numbers = numbers_of(command, run_folder, folder, tmp_path)
    with open(run_folder / "history.csv", newline="") as file:
        best = max(float(row["val_mIoU"]) for row in csv.DictReader(file))
    assert numbers["images"] == 3
    assert numbers["mIoU"] == pytest.approx(best, abs=1e-6)


def test_evaluate_averages_over_scales_and_mirror_images(run_folder, folder, command, tmp_path):
    flags = ["--scales=0.75,1,1.5", "--flip"]
    averaged = numbers_of(command, run_folder, folder, tmp_path, *flags)
    assert (
        averaged["pixel_accuracy"]
        != numbers_of(command, run_folder, folder, tmp_path)["pixel_accuracy"]
    )
    model = f"--model={run_folder}"
    code, _, err = command("evaluate", model, f"--data=label_maps:{folder}", "--scales=big")
    assert code == 2 and "`--scales` must be numbers" in err


def test_predict_writes_label_maps_drawings_and_areas(run_folder, folder, command, tmp_path):
    image = folder / "val" / "images" / "1.png"
    arguments = [f"--model={run_folder}", f"--images={image}", f"--output={tmp_path}"]
    code, out, err = command("predict", *arguments)
    assert code == 0, err
    row = json.loads((tmp_path / "predictions.json").read_text())["images"][0]
    assert (row["height"], row["width"]) == SIZE and "runs" not in row
    labels = np.asarray(Image.open(tmp_path / row["labels"]))
    assert labels.shape == SIZE and labels.max() < len(NAMES)
    for name, area in row["areas"].items():
        assert area["pixels"] == np.sum(labels == NAMES.index(name))
    assert Image.open(tmp_path / "drawings" / "1.png.png").size == SIZE[::-1]
    code, _, err = command("predict", *arguments, "--min_score=0.5")
    assert code == 2 and "`--min_score` must come with a model that gives probabilities" in err


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_export_then_evaluate_the_artefact(run_folder, folder, command, tmp_path, precision):
    file = tmp_path / "toy.tflite"
    arguments = [f"--model={run_folder}", f"--output={file}", f"--precision={precision}"]
    code, _, err = command("export", *arguments, f"--calibration=label_maps:{folder}")
    assert code == 0, err
    ours = numbers_of(command, run_folder, folder, tmp_path)
    theirs = numbers_of(command, file, folder, tmp_path)
    tolerance = 1e-3 if precision == "float32" else 0.05
    assert theirs["pixel_accuracy"] == pytest.approx(ours["pixel_accuracy"], abs=tolerance)
    code, _, err = command(
        "evaluate", f"--model={file}", f"--data=label_maps:{folder}", "--scales=1,2"
    )
    assert code == 2 and "must come with a Keras model" in err


NAMED = "--model=fcn16s_mobilenet_v1_025"


def named_flags(folder):
    """A new network with (tiny) backbone, and what its family takes."""
    return [
        *(NAMED, f"--data=label_maps:{folder}", "--backbone_weights=none", "--image_size=64x96"),
        *("--epochs=1", "--batch_size=3", "--gallery=0", "--progress=none"),
    ]


def test_a_named_model_gets_the_flags_of_its_family(folder, tiny_backbone, command, tmp_path):
    own = [
        *("--class_weights=inverse", "--loss=cross_entropy+dice", "--freeze_batch_norm"),
        *("--model_option=dropout=0.25", "--model_option=learn_upsampling=true"),
        *("--crop_size=64", "--backbone_rate=0", "--schedule=poly", "--ema=off"),
    ]
    run = tmp_path / "run"
    code, out, err = command("train", *named_flags(folder), *own, f"--output={run}")
    assert code == 0 and "best epoch 1: mIoU" in out, err
    config = json.loads((run / "config.json").read_text())
    counts = class_frequencies(label_maps(folder))
    weights = train_labels.weights_from_pixels(counts, 1.0)
    assert config["model"]["class_weights"] == config["fitted"]["class_weights"] == weights
    expected = {"image_size": [64, 96], "dropout": 0.25, "learn_upsampling": True}
    expected |= {"freeze_batch_norm": True, "loss": "cross_entropy+dice", "stride": 16}
    assert expected.items() <= config["model"].items()
    model = keras.saving.load_model(run / "model.keras", compile=False)
    keras.utils.set_random_seed(0)
    fresh = type(model).from_config(config["model"])
    trained, untrained = (train_optimizer.backbone_of(each) for each in (model, fresh))
    for ours, theirs in zip(trained.get_weights(), untrained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)  # its rate was zero, its batch norm frozen


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--default_boxes=kmeans", "`--default_boxes` must not come with --model=fcn16s"),
        ("--pyramid", "`--pyramid` must not come with --model=fcn16s_mobilenet_v1_025, which"),
        ("--model_option=stride=8", "`--model_option` must be NAME=VALUE with NAME among"),
        ("--model_option=dropout", "`--model_option` must be NAME=VALUE with NAME among"),
        ("--class_weights=some", "`--class_weights` must be none, inverse, sqrt, or 7 numbers"),
        ("--class_weights=1,2", "`--class_weights` must be none, inverse, sqrt, or 7 numbers"),
        ("--loss=multibox", "`loss` must be made of"),
        ("--model=unet", "`--backbone_weights` must not come with --model=unet, which takes no"),
        ("--warmup_epochs=1 --schedule=poly", "`--warmup_epochs` must not come with --schedule"),
    ],
)
def test_flags_a_named_model_has_no_use_for(
    folder, tiny_backbone, command, tmp_path, flag, message
):
    flags = [*named_flags(folder), *flag.split(), f"--output={tmp_path / 'run'}"]
    code, _, err = command("train", *flags)
    assert code == 2 and message in err
    assert not (tmp_path / "run").exists()


CRF = ("--crf_spatial=1,2", "--crf_bilateral=8,20,3", "--crf_filter=local", "--crf_iterations=2")


@pytest.fixture(scope="module")
def joint_run(toy_file, folder, tmp_path_factory):
    """The toy and a CRF, the latter at a rate of its own."""
    run = tmp_path_factory.mktemp("runs") / "joint"
    flags = [*flags_of(toy_file, folder), "--crf=joint", "--crf_rate=0", "--ema=off", *CRF]
    assert main.run(["train", *flags, f"--output={run}"]) == 0
    return run


def test_a_model_and_a_crf_are_trained_as_one(joint_run, toy_file, folder, command, tmp_path):
    model = keras.saving.load_model(joint_run / "model.keras", compile=False)
    assert isinstance(model, models.CRFasRNN) and model.name.endswith("_crf")
    assert (model.crf.spatial_sxy, model.crf.bilateral_srgb, model.crf.iterations) == (1, 20, 2)
    kernel = keras.ops.convert_to_numpy(model.crf.bilateral_kernel)
    np.testing.assert_array_equal(kernel, np.full(len(NAMES), 3.0))  # its rate was zero
    start = keras.saving.load_model(toy_file, compile=False)
    encoder = model.model.get_layer("encoder").get_weights()[0]
    assert np.abs(encoder - start.get_layer("encoder").get_weights()[0]).max() > 1e-3
    numbers = numbers_of(command, joint_run, folder, tmp_path)
    with open(joint_run / "history.csv", newline="") as file:
        best = max(float(row["val_mIoU"]) for row in csv.DictReader(file))
    assert numbers["mIoU"] == pytest.approx(best, abs=1e-6)


def test_a_joint_model_trains_on_with_its_crf(joint_run, folder, command, tmp_path):
    flags = [*flags_of(joint_run, folder), f"--output={tmp_path / 'run'}", "--epochs=1"]
    code, _, err = command("train", *flags, "--crf_rate=100")
    assert code == 0, err
    model = keras.saving.load_model(tmp_path / "run" / "last.keras", compile=False)
    assert np.abs(keras.ops.convert_to_numpy(model.crf.bilateral_kernel) - 3.0).max() > 1e-3
    code, _, err = command("train", *flags, "--crf=joint", f"--output={tmp_path / 'other'}")
    assert code == 2 and "`model` must have no crf of its own" in err


def test_a_crf_is_put_behind_a_trained_model(run_folder, folder, command, tmp_path):
    plain = numbers_of(command, run_folder, folder, tmp_path)
    refined = numbers_of(command, run_folder, folder, tmp_path, "--crf=post", *CRF)
    assert refined["pixel_accuracy"] != plain["pixel_accuracy"]
    file = tmp_path / "crf.tflite"
    flags = [f"--model={run_folder}", "--crf=post", *CRF]
    code, _, err = command("export", *flags, f"--output={file}")
    assert code == 0, err
    theirs = numbers_of(command, file, folder, tmp_path)
    assert theirs["pixel_accuracy"] == pytest.approx(refined["pixel_accuracy"], abs=2e-3)
    code, _, err = command(
        "train",
        *flags,
        f"--data=label_maps:{folder}",
        "--batch_size=3",
        "--epochs=1",
        "--progress=none",
        f"--output={tmp_path / 'run'}",
    )
    assert code == 0, err
    model = keras.saving.load_model(tmp_path / "run" / "model.keras", compile=False)
    assert isinstance(model, ToyLabels) and model.crf.bilateral_sxy == 8
    code, _, err = command("evaluate", f"--model={file}", f"--data=label_maps:{folder}", *flags[1:])
    assert code == 2 and "`--crf` must come with a Keras model of label maps" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--crf_spatial=1,2"], "`--crf_spatial` must come with --crf. Received: --crf=none"),
        (["--crf=post", "--crf_bilateral=1,2"], "must be DEVIATION,COLOURS,WEIGHT. Received"),
        (["--crf=post", "--crf_spatial=0,2"], "`spatial_sxy` must be"),
        (["--crf=post", "--crf_rate=2"], "`--crf_rate` must come with --crf=joint"),
    ],
)
def test_flags_of_a_crf_that_do_not_fit(toy_file, folder, command, tmp_path, flags, message):
    arguments = [*flags_of(toy_file, folder), *flags, f"--output={tmp_path / 'run'}"]
    code, _, err = command("train", *arguments)
    assert code == 2 and message in err
    assert not (tmp_path / "run").exists()


def test_flags_of_label_maps_are_none_of_detection(tiny_backbone, command, tmp_path):
    flags = ["--model=ssd_mobilenet_v1_025", "--data=shapes:6", f"--output={tmp_path / 'run'}"]
    for flag in ("--crop_size=64", "--class_weights=sqrt", "--freeze_batch_norm", "--crf=post"):
        code, _, err = command("train", *flags, flag)
        assert code == 2 and f"`{flag.partition('=')[0]}` must not come with" in err


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--image_size=64", "`--image_size` must be that of the model to start from, 48x64"),
        ("--image_size=wide", "`--image_size` must be pixels, at least 32"),
        ("--crop_size=8", "`--crop_size` must be pixels, at least 32"),
        ("--backbone_weights=imagenet", "`--backbone_weights` must come with the name of a new"),
        ("--model_option=a=1", "`--model_option` must come with the name of a new"),
        ("--augment_expand=2", "`--augment_expand` must not come with a model of the task"),
        ("--default_boxes=kmeans", "`--default_boxes` must be that of the model to start from"),
        ("--num_sizes=4", "`--num_sizes` must not come with a model of the task 'segmentation'"),
        ("--noaugment", "`--augment_scale` must not come with --noaugment"),
        ("--augment_scale=2", "`scale` must be two numbers, 0 < low <= high"),
        ("--backbone_rate=0.1", "must have a backbone as a part of its own"),
    ],
)
def test_values_that_do_not_fit(toy_file, folder, command, tmp_path, flag, message):
    flags = [*flags_of(toy_file, folder), flag]
    code, _, err = command("train", *flags, f"--output={tmp_path / 'run'}")
    assert code == 2 and message in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", [(48, 64), (90, 71), (31, 200), (97, 33)])
def test_evaluation_and_the_device_bring_labels_back_alike(resize, size):
    labels = np.random.default_rng(0).integers(0, 9, (48, 64))
    spec = {"height": 48, "width": 64, "resize": resize}
    ours = label_map_to_original(labels, size, (48, 64), resize)
    np.testing.assert_array_equal(ours, labels_to_original(labels, size, spec))


def test_a_model_goes_on_with_another_loss_and_other_class_weights(toy_file, folder):
    from keras_struct_tools import options as reading
    from keras_struct_tools import train_flags, train_model

    argv = [
        "train",
        *flags_of(toy_file, folder),
        "--output=x",
        "--class_weights=sqrt",
        "--loss=dice",
    ]
    options = reading.parse(train_flags.FLAGS, argv, ("model", "data", "output"))
    origin, train = train_model.origin(options), label_maps(folder)
    train_flags.complete(options, origin.task)
    origin.settle(options)
    fitted = origin.fitted(options, train)
    model = origin.build(options, NAMES, fitted, False)
    weights = train_labels.weights_from_pixels(class_frequencies(train), 0.5)
    assert list(model.labelling.class_weights) == weights and model.labelling.loss == "dice"
    before = keras.saving.load_model(toy_file, compile=False)
    for own, theirs in zip(model.weights, before.weights, strict=True):
        np.testing.assert_array_equal(own, theirs)


def test_class_weights_by_the_formula():
    counts = np.array([900, 0, 100])
    assert train_labels.weights_from_pixels(counts, 1.0) == pytest.approx([0.2, 1.0, 1.8])
    assert train_labels.weights_from_pixels(counts, 0.5) == pytest.approx([0.5, 1.0, 1.5])
