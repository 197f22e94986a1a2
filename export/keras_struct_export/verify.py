"""Running what was written, with the runtime users will run it with."""

from pathlib import Path

import numpy as np

from keras_struct_edge import load
from keras_struct_export.compare import Comparison, compare
from keras_struct_export.errors import ExportError
from keras_struct_export.frozen import as_results
from keras_struct_export.quiet import quiet
from keras_struct_export.targets import Tolerance


def verify(path: Path, network, images: np.ndarray, tolerance: Tolerance) -> Comparison:
    """Compare an artefact with its model on images.

    Args:
        path: the artefact.
        network: the keras.Model it was made from, decoder included if it is in the artefact.
        images: (N, H, W, 3) float32, 0..255.
        tolerance: how far the two may be apart.

    Raises:
        ExportError: if the artefact cannot be loaded or run, or is further away than that.
    """
    try:
        with quiet():
            results = run_artefact(load(path), images)
    except Exception as error:
        raise ExportError(f"The artefact was written but does not run: {error}") from error
    expected = run_model(network, images)
    try:
        found = compare(expected, results, tolerance, score_threshold(network))
    except ValueError as error:
        raise ExportError(f"The artefact gives other results than the model: {error}") from error
    if not found.within(tolerance):
        raise ExportError(
            f"The artefact must agree with the model within {tolerance}. Received: {found}. "
            "Give `samples` the model knows, or another precision or `tolerance`."
        )
    return found


def run_artefact(predictor, images: np.ndarray) -> dict[str, np.ndarray]:
    """Run images through a predictor in batches of its size, or two at a time if it is free."""
    size = predictor.card["batch_size"] or min(2, len(images))
    parts = []
    for start in range(0, len(images), size):
        batch = images.take(range(start, start + size), axis=0, mode="wrap")
        parts.append({name: value.copy() for name, value in predictor.run(batch).items()})
    return _joined(parts, len(images))


def run_model(network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Run images one by one through a Keras model."""
    parts = []
    for image in images:
        outputs = as_results(network(image[None], training=False))
        parts.append({name: np.asarray(value) for name, value in outputs.items()})
    return _joined(parts, len(images))


def score_threshold(network) -> float:
    """Score under which the decoder of a model drops detections, 0 if it does not say."""
    layers = [layer for layer in network.layers if layer.name == "decoder"]
    return float(getattr(layers[0], "score_threshold", 0.0)) if layers else 0.0


def _joined(parts: list[dict], count: int) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}
