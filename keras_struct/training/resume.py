"""Going on after a kill exactly where the training stood."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_struct.training.files import replacing

_VERSION = 1
_STOPPING = ("wait", "best", "best_epoch", "stopped_epoch")


class ExactResume(keras.callbacks.Callback):
    """Keeps the whole state of a training in one file, and brings it back.

    The state is that of the model (weights, batch-norm statistics, dropout seeds), of the
    optimizer (moments, step, averages, accumulated gradients, loss scale), of the callbacks it is
    given, and the history. It is written at the end of every epoch, under a temporary name and
    then renamed, so that a kill at any moment leaves a whole file; a killed epoch is run again.
    With data that is a function of seed and epoch, and `--deterministic`, the final weights are
    those of a training that was never interrupted, bit by bit.

    `keras.callbacks.BackupAndRestore` keeps weights and epoch only, in two files.

    Args:
        path: the file, `*.npz`.
        callbacks: `EarlyStopping` and `Checkpoints` whose state belongs to the training. Place
            `ExactResume` behind them in `fit(callbacks=...)`.
        writes: bool, False on all but one worker of a training on several machines: all of them
            read the state, one keeps it.

    Attributes:
        history: list of dicts, one an epoch: "epoch" (from 0), "learning_rate" and the logs.
        stopped: bool, whether a callback ended the training at the last epoch of the history.
        finished: bool, whether a training with this file came to its end.

    Raises:
        ValueError: (from `restore`) if the file is of another model, optimizer or version.

    Example:
        resume = ExactResume("runs/cells/state.npz", [stopping])
        first = resume.restore(model)
        data = train.batches(16, 320, augment=True, first_epoch=first)
        model.fit(data, initial_epoch=first, epochs=60, callbacks=[stopping, resume])
    """

    def __init__(self, path: str | Path, callbacks: list = (), writes: bool = True) -> None:
        super().__init__()
        self.path = Path(path)
        self.writes = writes
        self.callbacks = list(callbacks)
        self.history: list[dict[str, Any]] = []
        self.stopped = False
        self.finished = False
        self._states: list[dict[str, Any]] | None = None

    def restore(self, model: keras.Model) -> int:
        """Load the file, if there is one, into a compiled model; return the epoch to start with."""
        if not self.path.exists():
            return 0
        with np.load(self.path) as arrays:
            state = json.loads(str(arrays["state"]))
            if state["version"] != _VERSION:
                raise ValueError(
                    f"{self.path}: `version` must be {_VERSION}. Received: {state['version']}. "
                    "Continue with the keras_struct that began this training."
                )
            _load_variables(_variables(model), arrays, self.path)
        self.history, self._states = state["history"], state["callbacks"]
        self.stopped, self.finished = state["stopped"], state["finished"]
        return len(self.history)

    def on_train_begin(self, logs=None):
        # Keras' callbacks reset themselves here, and this one runs behind them.
        for callback, state in zip(self.callbacks, self._states or [], strict=False):
            _set_state(callback, state)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs if logs is not None else {}
        rate = self.model.optimizer.learning_rate
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(rate))
        row = {name: float(value) for name, value in logs.items()}
        self.history = [*self.history[:epoch], {"epoch": epoch, **row}]
        self.stopped = bool(self.model.stop_training)
        self._write()

    def on_train_end(self, logs=None):
        self.finished = True
        self._write()

    def _write(self):
        state = {
            "version": _VERSION,
            "stopped": self.stopped,
            "finished": self.finished,
            "history": self.history,
            "callbacks": [_get_state(callback) for callback in self.callbacks],
        }
        arrays = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in _variables(self.model).items()
        }
        with replacing(self.path, keep=self.writes) as path:
            np.savez(path, state=np.array(json.dumps(state)), **arrays)


def read_progress(path: str | Path) -> dict[str, Any] | None:
    """Where the training with this state file stands, without its model; None without a file.

    Returns:
        {"history": [...], "finished": bool, "stopped": bool, ...}.
    """
    if not Path(path).exists():
        return None
    with np.load(path) as arrays:
        return json.loads(str(arrays["state"]))


def _variables(model: keras.Model) -> dict[str, Any]:
    """Everything a step of training changes, by position: paths hold names Keras counts up."""
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    named = {f"model/{i}/{v.name}": v for i, v in enumerate(model.variables)}
    return named | {f"optimizer/{i}": v for i, v in enumerate(optimizer.variables)}


def _load_variables(variables: dict[str, Any], arrays: Any, path: Path) -> None:
    stored = {name for name in arrays.files if name != "state"}
    shapes = {name: tuple(arrays[name].shape) for name in stored}
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    if shapes != expected:
        different = sorted(dict(shapes.items() ^ expected.items()))
        raise ValueError(
            f"{path}: `variables` must be those of the model and its optimizer. Received: "
            f"{len(different)} others, e.g. {different[:4]}. Use the configuration that wrote it."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _get_state(callback: Any) -> dict[str, Any]:
    names = _STOPPING if isinstance(callback, keras.callbacks.EarlyStopping) else ("best",)
    return {name: getattr(callback, name) for name in names}


def _set_state(callback: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        setattr(callback, name, value)
