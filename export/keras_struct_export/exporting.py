"""export: a trained model in, a verified artefact out."""

import importlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from keras_struct_export import card as cards
from keras_struct_export.atomic import replacing, write
from keras_struct_export.build import Artefact, Request
from keras_struct_export.errors import ExportError
from keras_struct_export.frozen import FrozenGraph, freeze
from keras_struct_export.progress import Progress
from keras_struct_export.quiet import quiet
from keras_struct_export.report import ExportReport
from keras_struct_export.samples import first_images, synthetic_images
from keras_struct_export.targets import Target, Tolerance, resolve, tolerance_of
from keras_struct_export.verify import verify

MAX_CALIBRATION_IMAGES = 256
MAX_SAMPLES = 8


def export(
    model,
    path: str | Path,
    target: str | None = None,
    precision: str = "float32",
    calibration: Iterable | None = None,
    batch_size: int | None = 1,
    samples: Iterable | None = None,
    decoder: bool = True,
    decoder_options: dict | None = None,
    tolerance: Tolerance | None = None,
    progress: Callable[[str], None] | None = print,
) -> ExportReport:
    """Turn a trained model into one file that takes pixels and gives results, and check it.

    The file is written beside `path` first, loaded with the runtime users run it with, compared
    with the model on sample images, and only then takes its place.

    Args:
        model: a keras.Model of keras_struct, or any with `with_decoder()` and `card()`.
        path: of the artefact: .tflite, .onnx or .engine.
        target: "litert", "onnx" or "tensorrt"; None takes it from the suffix.
        precision: "float32", "float16" or "int8". Decoding is float32 in all of them, and so are
            input and results.
        calibration: images the activations' ranges are measured on, needed for int8 only: an
            iterable of images (H, W, 3) or batches, 0..255, such as `dataset.batches(1, ...)`.
            At most 256 images are read; about 100 that look like those in use are plenty.
        batch_size: images per run, or None for any number.
        samples: images to compare on, in the same forms, at most 8 are read. None takes the
            calibration images, or else draws some.
        decoder: False exports the raw network alone.
        decoder_options: arguments of `model.with_decoder`, such as {"probabilities": True} for
            class probabilities beside a label map. The card lists what the decoder then gives.
        tolerance: how far the artefact may be from Keras; None takes that of task and precision.
        progress: called with one line per step; None for silence.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: for a pair of target and precision that does not exist, int8 without
            calibration images, images of the wrong shape, a batch size below 1, and decoder
            options without decoder.
        TypeError: if the model does not follow the contract.
        ImportError: if a package for the target is missing.
        ExportError: if the model cannot be converted, the file not be written, or the artefact
            does not agree with the model. Nothing is left behind then.

    Example:
        export(model, "cells.tflite", precision="int8", calibration=data.batches(1, 320))
    """
    path = Path(path)
    entry = resolve(path, target, precision)
    base = cards.check_model(model)
    decoder_options = decoder_options or {}
    _check_arguments(model, batch_size, decoder, decoder_options, precision, calibration)
    spec, reporter = base["input"], Progress(progress)
    images = None
    if precision == "int8":
        images = first_images(calibration, MAX_CALIBRATION_IMAGES, spec, "calibration")
    if samples is not None:
        shown = first_images(samples, MAX_SAMPLES, spec, "samples")
    else:
        shown = synthetic_images(MAX_SAMPLES, spec) if images is None else images[:MAX_SAMPLES]
    network = model.with_decoder(**decoder_options) if decoder else model
    with reporter.step("traced the model"), quiet():
        shape = (batch_size, spec["height"], spec["width"], spec["channels"])
        graph = freeze(network, spec["name"], shape)
    card = cards.complete(base, entry.name, precision, batch_size)
    card = _matching(card, graph) if decoder else cards.raw(card, graph)
    with tempfile.TemporaryDirectory(prefix="keras_struct_export_") as folder:
        request = Request(graph, card, precision, images, reporter, Path(folder))
        artefact = _build(entry, request)
        limits = tolerance or tolerance_of(precision, card["task"])
        return _finish(artefact, path, request, network, shown, limits)


def _check_arguments(model, batch_size, decoder, options, precision, calibration) -> None:
    if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
        raise ValueError(
            "`batch_size` must be a positive integer or None. Received: "
            f"batch_size={batch_size!r}. None makes an artefact for any number of images."
        )
    if decoder and not callable(getattr(model, "with_decoder", None)):
        raise TypeError(
            "`model` must have a method with_decoder(). Received: "
            f"model={type(model).__name__}. Use decoder=False for the network alone."
        )
    if options and not decoder:
        raise ValueError(
            "`decoder_options` must be None for decoder=False. "
            f"Received: decoder_options={options}. Export with decoder=True."
        )
    if precision == "int8" and calibration is None:
        raise ValueError(
            "`calibration` must be given for precision 'int8'. Received: calibration=None. "
            "Give about 100 images such as dataset.batches(1, image_size=...)."
        )


def _matching(card: dict, graph: FrozenGraph) -> dict:
    missing = [name for name in card["results"] if name not in graph.outputs]
    if missing:
        raise ExportError(
            f"`model.with_decoder()` must give all results of the card. Received: "
            f"{list(graph.outputs)}, without {missing}. Make the two agree."
        )
    further = [name for name in graph.outputs if name not in card["results"]]
    return {**card, "results": [*card["results"], *further]}


def _build(entry: Target, request: Request) -> Artefact:
    try:
        module = importlib.import_module(f"keras_struct_export.{entry.module}")
        return module.build(request)
    except ImportError as error:
        wheel = f"keras-struct-export[{entry.extra}]" if entry.extra else "keras-struct-export"
        raise ImportError(
            f"Target {entry.name!r} needs {error.name or error}. "
            f"Install it with `pip install '{wheel}'`."
        ) from error


def _finish(
    artefact: Artefact,
    path: Path,
    request: Request,
    network,
    images: np.ndarray,
    tolerance: Tolerance,
) -> ExportReport:
    companions = tuple(ending for ending in artefact.files if ending)
    with replacing(path, companions) as temporary:
        for ending, content in artefact.files.items():
            write(Path(f"{temporary}{ending}"), content)
        checked = temporary
        if artefact.twin is not None:
            checked = request.folder / "twin.onnx"
            write(checked, artefact.twin)
        with request.progress.step("compared with Keras"):
            comparison = verify(checked, network, images, tolerance)
    size = path.stat().st_size
    request.progress.note(f"{path}: {size / 1e6:.2f} MB, {comparison}")
    if not comparison.compared and comparison.dense_error == 0:
        request.progress.note("Nothing was detected: give `samples` for a check that says more.")
    return ExportReport(
        path=path,
        target=request.card["target"],
        precision=request.precision,
        runtime=artefact.runtime,
        size=size,
        operators=artefact.operators,
        comparison=comparison,
        verified="onnx" if artefact.twin is not None else "artefact",
        seconds=request.progress.seconds,
    )
