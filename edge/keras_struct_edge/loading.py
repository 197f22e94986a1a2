"""load: a file in, a Predictor out."""

from pathlib import Path

from .card import ArtefactError
from .predictor import Predictor


def _litert(path, threads):
    from .runtimes.litert import LiteRT

    return LiteRT(path, threads)


def _onnx(path, threads):
    from .runtimes.onnx import OnnxRuntime

    return OnnxRuntime(path, threads)


def _tensorrt(path, threads):
    from .runtimes.tensorrt import TensorRT

    return TensorRT(path, threads)


RUNTIMES = {".tflite": _litert, ".onnx": _onnx, ".engine": _tensorrt}


def load(path: str | Path, threads: int | None = None) -> Predictor:
    """Open an artefact written by keras_struct_export.

    Args:
        path: a .tflite, .onnx or .engine file (beside the last, its card: PATH.json).
        threads: CPU threads to use, at least 1; None takes up to four of the machine's cores.
            Engines run on the GPU and take None only.

    Returns:
        A `Predictor`.

    Raises:
        FileNotFoundError: if there is no such file.
        ArtefactError: if the file is damaged, of another kind, or has no usable card.
        ImportError: if the file's runtime is not installed.
        RuntimeError: if an engine finds no GPU.
        ValueError: if `threads` is not a positive integer or None.
    """
    path = Path(path)
    if threads is not None and (type(threads) is not int or threads < 1):
        raise ValueError(
            f"`threads` must be a positive integer or None. Received: threads={threads!r}."
        )
    if path.suffix not in RUNTIMES:
        raise ArtefactError(
            f"`path` must end in one of {', '.join(RUNTIMES)}. Received: path={str(path)!r}. "
            "Give a file written by keras_struct_export.export(model, path)."
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}. Check the name and the folder.")
    if not path.is_file():
        raise ArtefactError(f"{path} is not a file. Give a file written by keras_struct_export.")
    if path.stat().st_size == 0:
        raise ArtefactError(f"{path} is empty (0 bytes). Export or copy the file again.")
    runtime = RUNTIMES[path.suffix](path, threads)
    _check_against_card(runtime, path)
    return Predictor(runtime)


def _check_against_card(runtime, path):
    """The card speaks for the file: what it says about inputs and results must be there."""
    card = runtime.card
    spec, batch_size = card["input"], card["batch_size"]
    problems = []
    shape = runtime.inputs.get(spec["name"])
    if shape is None or len(runtime.inputs) != 1:
        problems.append(f"its input is {sorted(runtime.inputs)}, the card's {spec['name']!r}")
    else:
        wanted = (batch_size, spec["height"], spec["width"], spec["channels"])
        same = len(shape) == 4 and all(
            have is None or have == want for have, want in zip(shape, wanted, strict=True)
        )
        if not same:
            problems.append(f"its input has shape {shape}, the card's {wanted} (None: any)")
    missing = [name for name in card["results"] if name not in runtime.outputs]
    if missing:
        problems.append(f"it has no results {missing}, only {sorted(runtime.outputs)}")
    if problems:
        raise ArtefactError(
            f"{path} and its card disagree: {'; '.join(problems)}. Export the model again."
        )
