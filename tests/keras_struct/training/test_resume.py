"""ExactResume: what was interrupted ends as if it had not been."""

import json
import shutil

import keras
import numpy as np
import pytest

from keras_struct.training import Checkpoints, EarlyStopping, ExactResume
from keras_struct.training import resume as resume_module
from keras_struct.training.resume import read_progress

EPOCHS, STEPS = 4, 3


class Score(keras.callbacks.Callback):
    """A validation number that goes up and down; may interrupt the training."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.stop_at, self.epoch = stop_at, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.stop_at:
            raise RuntimeError("power cut")

    def on_epoch_end(self, epoch, logs=None):
        logs["val_mAP"] = [0.2, 0.5, 0.4, 0.3][epoch]


def make_model(units=2):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3, seed=1),
            keras.layers.Dense(units),
        ]
    )
    optimizer = keras.optimizers.Adam(0.05, use_ema=True, gradient_accumulation_steps=2)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer), "mse")
    return model


def data(first):
    """A stream that is a function of the epoch."""
    import tensorflow as tf

    rng = [np.random.default_rng(100 + e) for e in range(first, EPOCHS)]
    x = np.concatenate([r.normal(size=(STEPS, 4, 3)) for r in rng])
    y = np.concatenate([r.normal(size=(STEPS, 4, 2)) for r in rng])
    return tf.data.Dataset.from_tensor_slices((x, y))


def train(folder, stop_at=None, patience=9, seed=0):
    keras.utils.set_random_seed(seed)
    model = make_model()
    keep = Checkpoints(folder, "val_mAP")
    stopping = EarlyStopping("val_mAP", patience=patience, mode="max")
    resume = ExactResume(folder / "state.npz", [keep, stopping])
    first = resume.restore(model)
    if resume.stopped:
        first = EPOCHS
    model.fit(
        data(first) if first < EPOCHS else data(0),
        initial_epoch=first,
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        callbacks=[Score(stop_at), keep, stopping, resume],
        verbose=0,
        shuffle=False,
    )
    return model, resume, keep, stopping


def state(folder):
    with np.load(folder / "state.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def assert_same(folder, other):
    ours, theirs = state(folder), state(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    model, *_ = train(folder)
    return folder, model


@pytest.mark.parametrize("stop_at", [(0, 1), (1, 0), (3, 2)])
def test_resumed_training_ends_with_the_same_bits(whole, tmp_path, stop_at):
    with pytest.raises(RuntimeError, match="power cut"):
        train(tmp_path, stop_at)
    seed = 0 if stop_at[0] == 0 else 5  # weights and seeds come from the file, not the start
    model, resume, keep, _ = train(tmp_path, seed=seed)
    assert_same(tmp_path, whole[0])
    for ours, theirs in zip(model.get_weights(), whole[1].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert keep.best == {"epoch": 1, "value": 0.5}
    assert [row["val_mAP"] for row in resume.history] == [0.2, 0.5, 0.4, 0.3]


def test_a_kill_during_the_backup_leaves_the_old_one(whole, tmp_path, monkeypatch):
    def half(path, **arrays):
        path.write_bytes(b"PK\x03\x04 half")
        raise KeyboardInterrupt

    with pytest.raises(RuntimeError, match="power cut"):
        train(tmp_path, (2, 0))
    monkeypatch.setattr(resume_module.np, "savez", half)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert len(read_progress(tmp_path / "state.npz")["history"]) == 2
    monkeypatch.undo()
    train(tmp_path)
    assert_same(tmp_path, whole[0])
    assert not list(tmp_path.glob(".*"))


def test_early_stopping_counts_on_and_a_stopped_training_stays_stopped(tmp_path):
    with pytest.raises(RuntimeError, match="power cut"):
        train(tmp_path, (3, 0), patience=2)
    _, resume, _, stopping = train(tmp_path, patience=2)
    assert resume.stopped and resume.finished and len(resume.history) == EPOCHS
    assert (stopping.wait, stopping.best, stopping.best_epoch) == (2, 0.5, 1)
    before = state(tmp_path)
    _, again, _, _ = train(tmp_path, patience=2)
    assert again.finished and len(again.history) == EPOCHS
    assert {k: v.tolist() for k, v in state(tmp_path).items() if k != "state"} == {
        k: v.tolist() for k, v in before.items() if k != "state"
    }


def test_progress_can_be_read_without_a_model(whole, tmp_path):
    progress = read_progress(whole[0] / "state.npz")
    assert progress["finished"] and len(progress["history"]) == EPOCHS
    assert read_progress(tmp_path / "state.npz") is None


def test_another_model_or_version_is_an_error(whole, tmp_path):
    resume = ExactResume(whole[0] / "state.npz")
    with pytest.raises(ValueError, match="`variables` must be those of the model"):
        resume.restore(make_model(units=3))
    changed = state(whole[0])
    changed["state"] = np.array(json.dumps({"version": 99}))
    np.savez(tmp_path / "state.npz", **changed)
    with pytest.raises(ValueError, match="`version` must be 1. Received: 99"):
        ExactResume(tmp_path / "state.npz").restore(make_model())


def test_a_worker_that_does_not_write_leaves_no_file(tmp_path):
    model = make_model()
    callbacks = [
        Checkpoints(tmp_path, "val_mAP", writes=False),
        ExactResume(tmp_path / "s.npz", writes=False),
    ]
    model.fit(data(0), epochs=1, steps_per_epoch=1, callbacks=callbacks, verbose=0, shuffle=False)
    assert not list(tmp_path.iterdir())
    shutil.rmtree(tmp_path)
