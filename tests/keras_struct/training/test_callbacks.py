"""Evaluation in the logs, checkpoints that hold averages, stopping, reports."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_struct.training import (
    Checkpoints,
    EarlyStopping,
    Evaluation,
    ExactResume,
    RunReports,
    evaluate,
)


class Seen(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))


def images(batches=2):
    return np.random.default_rng(0).uniform(0, 255, (4 * batches, 32, 32, 3)).astype("float32")


def fit(model, callbacks, epochs):
    x = images()
    model.compile(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.9))
    model.fit(x, np.zeros(len(x)), 4, epochs, callbacks=callbacks, verbose=0, shuffle=False)


def test_numbers_reach_the_logs_every_few_epochs_and_at_the_end(shapes, constant):
    seen = Seen()
    fit(constant, [Evaluation(shapes, batch_size=2, every=2), seen], epochs=5)
    assert ["val_mAP" in logs for logs in seen.logs] == [False, True, False, True, True]
    last = seen.logs[-1]
    expected = evaluate(constant, shapes, 2)  # fit ends with the averaged weights in the model
    assert {k: last[f"val_{k}"] for k in expected if k != "per_class"} == pytest.approx(
        {k: v for k, v in expected.items() if k != "per_class"}
    )
    assert "val_per_class" not in last


def test_every_must_be_positive(shapes):
    for every in (0, 1.5):
        with pytest.raises(ValueError, match="`every` must be a positive integer"):
            Evaluation(shapes, every=every)


class Give(keras.callbacks.Callback):
    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        if self.values[epoch] is not None:
            logs["val_mAP"] = self.values[epoch]


def dense():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    return model


def fit_dense(callbacks, epochs, model=None):
    model = model or dense()
    x = np.random.default_rng(0).normal(size=(8, 2))
    model.fit(x, x[:, :1], 4, epochs, callbacks=callbacks, verbose=0)
    return model


def test_best_and_last_model_hold_the_averages(tmp_path):
    class Averages(keras.callbacks.Callback):
        kernels = []

        def on_epoch_end(self, epoch, logs=None):
            optimizer = self.model.optimizer
            path = self.model.trainable_variables[0].path.replace("/", "_")
            average = [v for v in optimizer.variables if v.name == f"{path}_average"]
            self.kernels.append(average[0].numpy())

    averages, keep = Averages(), Checkpoints(tmp_path, "val_mAP")
    model = fit_dense([Give([0.1, 0.5, None, 0.4]), averages, keep], 4)
    assert keep.best == {"epoch": 1, "value": 0.5}
    for name, epoch in (("model.keras", 1), ("last.keras", 3)):
        saved = keras.saving.load_model(tmp_path / name).get_weights()[0]
        np.testing.assert_array_equal(saved, averages.kernels[epoch])
    np.testing.assert_array_equal(model.get_weights()[0], averages.kernels[3])


def test_stopping_counts_evaluations_only(recwarn):
    seen = Seen()
    stopping = EarlyStopping("val_mAP", patience=2, mode="max")
    fit_dense([Give([0.5, None, 0.4, None, 0.3, None, 0.6]), stopping, seen], 7)
    assert len(seen.logs) == 5
    assert not [w for w in recwarn if "Early stopping" in str(w.message)]


def test_reports_of_a_run(tmp_path, shapes, constant):
    evaluation = Evaluation(shapes, 2, every=2)
    resume = ExactResume(tmp_path / "state.npz")
    fit(constant, [evaluation, resume, RunReports(tmp_path, resume, evaluation, 4)], epochs=3)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["val_mAP"] == "" and float(rows[2]["val_mAP"]) >= 0
    assert float(rows[2]["learning_rate"]) == pytest.approx(0.05)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["per_class"]) == set(shapes.class_names)
    with Image.open(tmp_path / "gallery.png") as gallery, Image.open(tmp_path / "curves.png"):
        assert gallery.width == 2 * 326 + 6
