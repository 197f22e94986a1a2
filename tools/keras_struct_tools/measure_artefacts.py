"""From models and files given on the command line to artefacts that can be measured."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from keras_struct_tools.measure_engine import layer_precisions
from keras_struct_tools.measure_rows import SUFFIXES, Artefact


def model_file(path: str | Path) -> Path:
    """Return the file a `--model` value stands for: itself, or the model of a training run.

    Raises:
        ValueError: if there is no such file, or a folder without `model.keras`.
    """
    path = Path(path)
    found = path / "model.keras" if path.is_dir() else path
    if not found.is_file():
        raise ValueError(
            "`--model` must be a `.keras` file, an artefact, or the output folder of "
            f"`keras-struct train`, which holds a model.keras. Received: --model={path}. "
            f"There is no file {found}."
        )
    suffixes = (".keras", *SUFFIXES.values())
    if found.suffix not in suffixes:
        raise ValueError(
            f"`--model` must end in one of {suffixes}. Received: --model={path}. "
            "Give a trained model or an exported file."
        )
    return found


def model_names(files: list[Path]) -> list[str]:
    """Name each model by its file, or by its folder where the file is `model.keras`."""
    names = [file.resolve().parent.name if file.stem == "model" else file.stem for file in files]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"`--model` must name different models. Received: several called {repeated}. "
            "Rename the files or folders, so that the rows can be told apart."
        )
    return names


def given_artefact(name: str, path: Path) -> Artefact:
    """Wrap a file that is an artefact already; its card says what it is."""
    target = next(target for target, suffix in SUFFIXES.items() if suffix == path.suffix)
    try:
        card = _card(path)
        return Artefact(name, card["target"], card["precision"], card["task"], path)
    except (ImportError, KeyError, OSError, ValueError) as error:
        return Artefact(name, target, "unknown", reason=f"{type(error).__name__}: {error}")


def _card(path: Path) -> dict:
    if path.suffix == ".engine":  # an engine opens on a GPU only, its card lies beside it
        return json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
    from keras_struct_edge import load

    return load(path).card


def export_artefact(
    model,
    name: str,
    pair: tuple[str, str],
    folder: Path,
    calibration: Callable | None,
    runs: bool = True,
) -> Artefact:
    """Export a model, with and without decoder; a failure becomes the artefact's reason.

    Args:
        model: the model.
        name: its name.
        pair: target and precision.
        folder: where the files go.
        calibration: gives calibration batches for int8.
        runs: whether this machine can run the artefact; if not, its network is not needed.
    """
    target, precision = pair
    artefact = Artefact(name, target, precision, model.card()["task"])
    path = folder / f"{artefact.key}{SUFFIXES[target]}"
    try:
        start = time.perf_counter()
        _export(model, path, pair, calibration)
        artefact.export_seconds = time.perf_counter() - start
        if target == "tensorrt":
            twin = folder / f"{name}-onnx-{precision}.onnx"
            if not twin.exists():
                _export(model, twin, ("onnx", precision), calibration)
            artefact.layers = layer_precisions(twin)
        if runs:
            network = folder / f"{artefact.key}-network{SUFFIXES[target]}"
            _export(model, network, pair, calibration, decoder=False)
            artefact.network = network
        artefact.path = path
    except Exception as error:  # one pair that does not work must not cost the other rows
        artefact.reason = f"export failed: {type(error).__name__}: {error}"
    return artefact


def _export(model, path: Path, pair, calibration, decoder: bool = True) -> None:
    from keras_struct_export import export

    target, precision = pair
    options = {"target": target, "precision": precision, "decoder": decoder, "progress": None}
    if calibration and precision == "int8":
        options["calibration"] = calibration()
    export(model, path, **options)
