"""The best and the last model of a training, as whole files."""

from pathlib import Path
from typing import Any

import keras

from keras_struct.training.averaging import averaged_weights
from keras_struct.training.files import replacing
from keras_struct.training.tasks import task_of


class Checkpoints(keras.callbacks.Callback):
    """Saves `last.keras` after every epoch and `model.keras` whenever a number improves.

    Both hold the averaged weights where the optimizer keeps an average, and both are replaced at
    once: `keras.callbacks.ModelCheckpoint` writes into the file, so that a kill at that moment
    loses the best model, and it knows nothing of averages.

    Args:
        folder: where the files go.
        monitor: name in the logs, higher is better; None for the headline of the model's task,
            "val_mask_mAP" of one that gives masks, "val_keypoint_mAP", "val_mAP" or "val_mIoU".
        writes: bool, False on all but one worker of a training on several machines.

    Attributes:
        best: {"epoch": int, "value": float} of the best epoch so far (from 0), or None.
    """

    def __init__(self, folder: str | Path, monitor: str | None = None, writes: bool = True) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.monitor = monitor
        self.writes = writes
        self.best: dict[str, Any] | None = None

    def on_train_begin(self, logs=None):
        if self.monitor is None:
            card = self.model.card()
            self.monitor = f"val_{task_of(card['task'], card).headline}"

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        improved = value is not None and (self.best is None or value > self.best["value"])
        with averaged_weights(self.model):
            if improved:
                self.best = {"epoch": epoch, "value": float(value)}
                self._save("model.keras")
            self._save("last.keras")

    def _save(self, name):
        with replacing(self.folder / name, keep=self.writes) as path:
            self.model.save(path)
