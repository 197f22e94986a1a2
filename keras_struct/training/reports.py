"""What a person looks at while a training runs."""

import json
from pathlib import Path
from typing import Any

import keras

from keras_struct.training.averaging import averaged_weights
from keras_struct.training.curves import save_curves, save_history
from keras_struct.training.files import replacing
from keras_struct.training.gallery import save_gallery
from keras_struct.training.resume import ExactResume
from keras_struct.training.validation import Evaluation


class RunReports(keras.callbacks.Callback):
    """Keeps `history.csv`, `curves.png`, `metrics.json` and `gallery.png` of a training fresh.

    Place it behind the callbacks it reads.

    Args:
        folder: where the files go.
        resume: whose history is shown.
        evaluation: whose last result goes into `metrics.json` (with the numbers by class) and
            whose images go into the gallery.
        gallery_images: int, images in the gallery; 0 for none.
    """

    def __init__(
        self,
        folder: str | Path,
        resume: ExactResume,
        evaluation: Evaluation,
        gallery_images: int = 12,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.resume = resume
        self.evaluation = evaluation
        self.gallery_images = gallery_images

    def on_epoch_end(self, epoch, logs=None):
        save_history(self.resume.history, self.folder / "history.csv")
        save_curves(self.resume.history, self.folder / "curves.png")
        if self.evaluation.headline not in (logs or {}):
            return
        _save_json(self.evaluation.result, self.folder / "metrics.json")
        if self.gallery_images:
            with averaged_weights(self.model):
                save_gallery(
                    self.folder / "gallery.png",
                    self.evaluation.predictor,
                    self.evaluation.dataset,
                    self.gallery_images,
                    batch_size=self.evaluation.batch_size,
                )


def _save_json(value: Any, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2), encoding="utf-8")
