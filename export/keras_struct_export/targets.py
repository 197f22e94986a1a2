"""The one table of what can be exported: targets, their precisions and their tolerances."""

from dataclasses import dataclass, replace
from pathlib import Path

PRECISIONS = ("float32", "float16", "int8")


@dataclass(frozen=True)
class Tolerance:
    """How far an artefact may be from Keras on the sample images.

    Attributes:
        box: pixels of the network's input, per edge.
        score: absolute, scores are in [0, 1].
        agreement: fraction in [0, 1] of detections, pixels or points that must agree.
        dense: root mean square of the difference over that of the reference, for raw outputs.
    """

    box: float
    score: float
    agreement: float
    dense: float


@dataclass(frozen=True)
class Target:
    """A runtime to export to.

    Attributes:
        name: as written in `target=`.
        suffix: of its files.
        module: of this package, whose `build(request)` returns the bytes of the artefact.
        extra: of the wheel, that brings what the module imports.
    """

    name: str
    suffix: str
    module: str
    extra: str


TARGETS = {
    target.name: target
    for target in (
        Target("litert", ".tflite", "litert", ""),
        Target("onnx", ".onnx", "onnx_model", "onnx"),
        Target("tensorrt", ".engine", "tensorrt_engine", "tensorrt"),
    )
}

# Reordering of near-equal scores is no error (see compare.py); a hundredth of the detections may
# fall differently in float32 because suppression turns a last-digit tie into another box.
TOLERANCES = {
    "float32": Tolerance(box=0.5, score=1e-3, agreement=0.99, dense=1e-3),
    "float16": Tolerance(box=2.0, score=0.02, agreement=0.95, dense=0.02),
    "int8": Tolerance(box=24.0, score=0.3, agreement=0.7, dense=0.4),
}

# Every pixel of a label map has its own say: only ties may fall differently in float32.
_AGREEMENT = {"segmentation": {"float32": 0.999, "float16": 0.99, "int8": 0.8}}

PAIRS = tuple((target, precision) for target in TARGETS for precision in PRECISIONS)


def resolve(path: Path, target: str | None, precision: str) -> Target:
    """Return the target of an export, from its name or else from the suffix of the path.

    Raises:
        ValueError: if the pair is not in the table, or the suffix is not the target's.
    """
    suffixes = {entry.suffix: entry.name for entry in TARGETS.values()}
    if target is None:
        if path.suffix not in suffixes:
            raise ValueError(
                f"`path` must end in one of {tuple(suffixes)} when `target` is not given. "
                f"Received: path={str(path)!r}. Rename the file or give `target`."
            )
        target = suffixes[path.suffix]
    if (target, precision) not in PAIRS:
        raise ValueError(
            f"`target` and `precision` must be one of {_listed()}. Received: "
            f"target={target!r}, precision={precision!r}. Choose a pair of that list."
        )
    if path.suffix != TARGETS[target].suffix:
        raise ValueError(
            f"`path` must end in {TARGETS[target].suffix!r} for target {target!r}. "
            f"Received: path={str(path)!r}. Rename the file."
        )
    return TARGETS[target]


def tolerance_of(precision: str, task: str) -> Tolerance:
    """How far artefacts of a precision may be from Keras in a task."""
    usual = TOLERANCES[precision]
    return replace(usual, agreement=_AGREEMENT.get(task, {}).get(precision, usual.agreement))


def _listed() -> str:
    return ", ".join(f"{target}/{precision}" for target, precision in PAIRS)
