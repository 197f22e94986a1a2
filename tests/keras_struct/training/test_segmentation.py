"""The task "segmentation" through the functions and callbacks that serve detection."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image
from toy_labelling import NAMES, GreyLabels, ToyLabels, grey_shapes

from keras_struct import data
from keras_struct.training import (
    BatchPredictor,
    Checkpoints,
    Evaluation,
    ExactResume,
    RunReports,
    draw_label_maps,
    evaluate,
    predictions,
    save_gallery,
)

SIZE = (48, 64)


@pytest.fixture(scope="module")
def greys():
    return grey_shapes(5)


@pytest.fixture(scope="module")
def perfect():
    return GreyLabels(len(NAMES), SIZE, class_names=NAMES)


class LabelOracle:
    """Answers with the true label maps at the size of the network input, batch after batch."""

    task, class_names = "segmentation", NAMES

    def __init__(self, dataset, image_size, resize):
        self.image_size, self.resize, self.index = image_size, resize, 0
        batches = dataset.batches(
            1, image_size, resize=resize, drop_remainder=False, fields=("segmentation_masks",)
        )
        self.maps = [np.asarray(targets["segmentation_masks"])[0, ..., 0] for _, targets in batches]

    def __call__(self, images):
        maps = self.maps[self.index : self.index + len(images)]
        self.index += len(maps)
        maps = maps + [np.zeros_like(maps[0])] * (len(images) - len(maps))
        return {"segmentation": np.stack(maps).astype("int32")}


@pytest.mark.parametrize("batch_size", [2, 5])
def test_a_perfect_model_scores_one(greys, perfect, batch_size):
    steps = []
    numbers = evaluate(perfect, greys, batch_size, lambda *step: steps.append(step))
    present = np.unique([greys.label_map(index) for index in range(5)]).tolist()
    assert 255 in present and len(present) > 3
    assert numbers["pixel_accuracy"] == numbers["mIoU"] == 1.0
    for label, name in enumerate(NAMES):
        assert numbers["per_class"][name]["IoU"] == (1.0 if label in present else -1.0)
    assert steps == [(i + 1, 5) for i in range(5)]


@pytest.mark.parametrize(
    ("image_size", "resize"),
    [(96, "letterbox"), ((96, 80), "letterbox"), ((50, 131), "stretch"), (64, "stretch")],
)
def test_label_maps_come_back_to_original_pixels(greys, image_size, resize):
    """No pixel is lost on a network input that is larger than the image."""
    for index, annotation, result in predictions(LabelOracle(greys, image_size, resize), greys, 2):
        truth = greys.label_map(index)
        assert annotation["image_id"] == greys.annotation(index)["image_id"]
        np.testing.assert_array_equal(result["segmentation"], truth)


def test_other_classes_are_an_error(greys):
    model = GreyLabels(2, SIZE, class_names=("cat", "dog"))
    with pytest.raises(ValueError, match=r"same classes. Received: model with 2 \['cat', 'dog'\]"):
        evaluate(model, greys)


def test_a_model_takes_no_options_of_a_function(greys, perfect):
    with pytest.raises(ValueError, match="must come with a plain function"):
        evaluate(perfect, greys, image_size=32)
    with pytest.raises(ValueError, match="`task` must be one of .'detection', 'segmentation'"):
        evaluate(lambda x: x, greys, task="poses", image_size=32, resize="stretch")


def test_evaluation_over_scales(greys, perfect, constant):
    numbers = evaluate(perfect, greys, 5, scales=(1.0, 2.0), flip=True)
    assert 0.9 < numbers["pixel_accuracy"] <= 1.0
    assert evaluate(perfect, greys, 5, flip=True)["mIoU"] == 1.0
    for scales in ((1.0, 0.0), ()):
        with pytest.raises(ValueError, match="`scales` must be positive numbers"):
            evaluate(perfect, greys, scales=scales)
    with pytest.raises(ValueError, match="model of the task 'segmentation'.*'detection'"):
        evaluate(constant, greys, flip=True)
    with pytest.raises(ValueError, match="must come with a Keras model"):
        evaluate(BatchPredictor(perfect), greys, scales=(1.0,))


class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("power cut")


def train(folder, more=(), seed=0):
    """A small training with everything around it."""
    keras.utils.set_random_seed(seed)
    model = ToyLabels(len(NAMES), SIZE, class_names=NAMES)
    model.compile(keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.5))
    train_data, val = data.shapes(8, SIZE), data.shapes(3, SIZE, first=100)
    evaluation, keep = Evaluation(val, 3, every=2), Checkpoints(folder)
    resume = ExactResume(folder / "state.npz", [keep])
    first = resume.restore(model)
    batches = train_data.batches(
        4, SIZE, shuffle=True, first_epoch=first, fields=("segmentation_masks",)
    )
    reports = RunReports(folder, resume, evaluation, 3)
    model.fit(
        batches,
        initial_epoch=first,
        epochs=3,
        callbacks=[evaluation, keep, resume, reports, *more],
        verbose=0,
        shuffle=False,
    )
    return model, keep


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, *train(folder)


def test_a_run_keeps_its_best_model_by_mean_iou(whole):
    folder, model, keep = whole
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["val_mIoU"] != "" for row in rows] == [False, True, True]
    assert all(float(row["pixel_accuracy"]) > 0 for row in rows)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert float(rows[-1]["val_mIoU"]) == metrics["mIoU"]
    assert set(metrics["per_class"]) == set(NAMES)
    best = rows[keep.best["epoch"]]
    assert float(best["val_mIoU"]) == keep.best["value"]
    saved = keras.saving.load_model(folder / "model.keras", compile=False)
    numbers = evaluate(saved, data.shapes(3, SIZE, first=100), 3)
    assert numbers["mIoU"] == pytest.approx(keep.best["value"], abs=1e-6)
    with Image.open(folder / "gallery.png") as gallery, Image.open(folder / "curves.png"):
        assert gallery.width == 2 * (2 * 320 + 6) + 6  # truth and prediction beside each other


def test_a_resumed_run_ends_with_the_same_bits(whole, tmp_path):
    with pytest.raises(RuntimeError, match="power cut"):
        train(tmp_path, [Kill()])
    model, keep = train(tmp_path, seed=7)
    for ours, theirs in zip(model.get_weights(), whole[1].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert keep.best["epoch"] in (1, 2)


def test_label_maps_are_drawn_where_they_are_not_ignored(greys, perfect, tmp_path):
    image = np.full((4, 6, 3), 100, np.uint8)
    labels = np.full((4, 6), 255)
    labels[:, 3:] = 1
    picture = draw_label_maps(image, [labels, labels], scale=2.0, opacity=1.0)
    assert picture.shape == (8, 24, 3) and not (image != 100).any()
    assert (picture[:, :2] == 100).all() and (picture[:, 8:11] != 100).any()
    save_gallery(tmp_path / "all.png", perfect, greys, 2, opacity=0.0)
    with pytest.raises(TypeError, match="min_score"):
        save_gallery(tmp_path / "no.png", perfect, greys, 2, min_score=0.5)
