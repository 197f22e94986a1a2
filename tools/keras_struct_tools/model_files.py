"""Models and artefacts behind one face: load, predict, and say for which task and classes."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_struct_tools.measure_artefacts import model_file


class ArtefactFunction:
    """An exported file as a function of a batch, as `keras_struct.training.evaluate` takes it.

    Args:
        path: a .tflite, .onnx or .engine file.
        threads: CPU threads, or None for the runtime's own choice.

    Raises:
        ValueError: if the file holds a network without decoder.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        import keras_struct_edge
        from keras_struct.training.tasks import TASKS

        self._predictor = keras_struct_edge.load(path, threads)
        card = self._predictor.card
        if card["task"] not in TASKS:
            raise ValueError(
                f"{path}: `task` must be one of {tuple(TASKS)}. Received: {card['task']!r}. "
                "Export the model with its decoder."
            )
        self.card, self.task = card, card["task"]
        self.image_size = (card["input"]["height"], card["input"]["width"])
        self.resize = card["input"]["resize"]
        self.class_names = tuple(card["class_names"])
        self.batch_size = card.get("batch_size")

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predict for (B, H, W, 3) float32 images, 0..255."""
        return self._predictor.run(np.ascontiguousarray(images, np.float32))


class KerasRuntime:
    """A Keras model in the place of a runtime of `keras_struct_edge`.

    Args:
        path: a .keras file.
    """

    def __init__(self, path: Path) -> None:
        from keras_struct.ops.sizes import image_sides
        from keras_struct.training import BatchPredictor

        model = load_keras(path)
        self.card = {**model.card(), "batch_size": None, "target": "keras", "precision": "float32"}
        self.inputs = {self.card["input"]["name"]: (None, *image_sides(model.image_size), 3)}
        self.outputs = tuple(self.card["results"])
        self._predict = BatchPredictor(model)

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model on (B, H, W, 3) float32."""
        return {name: np.asarray(value) for name, value in self._predict(batch).items()}


def load_keras(path: Path) -> Any:
    """Load a .keras file of ours."""
    import keras

    import keras_struct  # noqa: F401 (registers the classes the file names)

    return keras.saving.load_model(path, compile=False)


def with_crf(model: Any, crf: Any) -> Any:
    """A Keras model of label maps with a CRF behind it, or as it is where that is None.

    Raises:
        ValueError: if it is for another task, or has a CRF.
    """
    if crf is None:
        return model
    if not hasattr(model, "with_crf"):
        raise ValueError(
            f"`--crf` must come with a Keras model of label maps. Received: {type(model).__name__}."
        )
    return model.with_crf(crf)


def function(model: str, threads: int | None = None, crf: Any = None) -> Any:
    """What `evaluate` takes: the Keras model, or an artefact as a function.

    Args:
        model: value of --model.
        threads: CPU threads of an artefact.
        crf: layer to put behind a Keras model of label maps, or None.
    """
    path = model_file(model)
    loaded = load_keras(path) if path.suffix == ".keras" else ArtefactFunction(path, threads)
    return with_crf(loaded, crf)


def predictor(model: str, threads: int | None = None) -> Any:
    """`keras_struct_edge.Predictor` for an artefact or a Keras model."""
    import keras_struct_edge

    path = model_file(model)
    if path.suffix == ".keras":
        return keras_struct_edge.Predictor(KerasRuntime(path))
    return keras_struct_edge.load(path, threads)
