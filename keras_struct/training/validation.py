"""Validation while a model trains."""

from typing import Any

import keras

from keras_struct.training.averaging import averaged_weights
from keras_struct.training.batch_predictor import BatchPredictor
from keras_struct.training.evaluation import Progress, evaluate
from keras_struct.training.tasks import task_of


class Evaluation(keras.callbacks.Callback):
    """Puts the numbers of the model's task on a data set into the logs at the end of an epoch.

    The names are those of `DetectionMetrics` or `SegmentationMetrics` behind "val_": "val_mAP",
    "val_voc12_mAP", ..., or "val_mIoU", "val_boundary_F", ... Place it before the callbacks that
    look at them (checkpoints, early stopping, TensorBoard). With `use_ema=True` in the optimizer
    it measures the averaged weights.

    Args:
        dataset: a `keras_struct.data` dataset with boxes or label maps.
        batch_size: int, images at a time.
        every: int, epochs between evaluations; the last epoch is always evaluated.
        progress: function of (images done, images in all), or None.

    Attributes:
        result: the whole dict of the last evaluation, with the numbers by class.
        headline: name of the number the model is judged by in the logs: "val_mask_mAP" of one that
            gives masks, "val_keypoint_mAP", "val_mAP" or "val_mIoU".
        predictor: the `BatchPredictor` of the model in training.

    Raises:
        ValueError: if `every` is not a positive integer, or (when training begins) if the data
            set lacks what the model gives.

    Example:
        model.fit(
            train.batches(16, 320, augment=True),
            epochs=60,
            callbacks=[
                Evaluation(val),
                EarlyStopping("val_mAP", patience=10, mode="max"),
            ],
        )
    """

    def __init__(
        self, dataset: Any, batch_size: int = 8, every: int = 1, progress: Progress | None = None
    ) -> None:
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"`every` must be a positive integer. Received: every={every!r}.")
        self.dataset = dataset
        self.batch_size = batch_size
        self.every = every
        self.progress = progress
        self.result = {}
        self.headline = None
        self.predictor = None

    def on_train_begin(self, logs=None):
        self.predictor = BatchPredictor(self.model)
        task = task_of(self.predictor.task, self.predictor.card)
        self.headline = f"val_{task.headline}"
        missing = [field for field in task.fields if field not in self.dataset.fields]
        if missing:
            raise ValueError(
                f"`dataset` must have the fields {task.fields} that the model is judged by. "
                f"Received: {self.dataset!r} with {self.dataset.fields}."
            )

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params.get("epochs")
        if (epoch + 1) % self.every and not last:
            return
        with averaged_weights(self.model):
            self.result = evaluate(self.predictor, self.dataset, self.batch_size, self.progress)
        if logs is not None:
            logs.update({f"val_{k}": v for k, v in self.result.items() if k != "per_class"})


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras' early stopping that waits in silence through epochs without an evaluation.

    Arguments are those of `keras.callbacks.EarlyStopping`; `patience` counts evaluations.
    """

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor in (logs or {}):
            super().on_epoch_end(epoch, logs)
