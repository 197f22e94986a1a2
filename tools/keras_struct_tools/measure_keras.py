"""The model before export, behind the interface of an artefact, for the row to compare with."""

from pathlib import Path

import numpy as np

from keras_struct_edge import Predictor


class KerasRuntime:
    """Runs a Keras model through `model.predict`, image by image, as a user would.

    Args:
        model: a model of ours.
        decoder: whether `run` decodes; without it, `run` is the network alone.
    """

    def __init__(self, model, decoder: bool = True):
        task = {} if decoder else {"task": "raw"}
        self.card = {"batch_size": None, **model.card(), **task}
        self._model = model.with_decoder() if decoder else model

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Return the model's outputs, in pixels of the network's input."""
        return self._model.predict(batch, verbose=0)


def load_keras(path: str | Path, decoder: bool = True, threads: int | None = None) -> Predictor:
    """Load a `.keras` file for timing with at most `threads` threads for an operation."""
    import tensorflow as tf

    if threads is not None and not tf.config.threading.get_intra_op_parallelism_threads():
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras

    import keras_struct  # noqa: F401 (registers the classes the file names)

    return Predictor(KerasRuntime(keras.saving.load_model(path, compile=False), decoder))
