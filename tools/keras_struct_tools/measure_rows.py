"""The rows of a benchmark: what is measured, and what came out."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

STAGES = ("preprocess", "network", "decode", "run", "postprocess", "end_to_end")
SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", "tensorrt": ".engine"}


@dataclass
class Artefact:
    """A file to measure, or the reason why there is none.

    Args:
        model: name of the model it came from.
        target: `litert`, `onnx`, `tensorrt`, or `keras` for the model before export.
        precision: `float32`, `float16` or `int8`.
        task: as the card of the model says, or None where it cannot be read.
        path: the file, or None where the export failed.
        network: the same network without decoder, or None where there is none.
        export_seconds: time the export of `path` took.
        layers: layer type -> precision -> count, for engines.
        reason: why it is missing.
    """

    model: str
    target: str
    precision: str
    task: str | None = None
    path: Path | None = None
    network: Path | None = None
    export_seconds: float | None = None
    layers: dict = field(default_factory=dict)
    reason: str = ""

    @property
    def key(self) -> str:
        """Name it in one word, unique within a benchmark."""
        return f"{self.model}-{self.target}-{self.precision}"


@dataclass
class Row:
    """One line of the table: an artefact on a number of threads.

    `status` is `ok`, `partial` (measured as far as this machine can) or `failed`; `latency` holds
    `{"median", "p90", "runs"}` in ms for each stage that was measured.
    """

    model: str
    target: str
    precision: str
    threads: int | None
    status: str = "ok"
    reason: str = ""
    file: str | None = None
    bytes: int | None = None
    export_seconds: float | None = None
    load_ms: float | None = None
    peak_memory_mb: float | None = None
    latency: dict = field(default_factory=dict)
    accuracy: dict = field(default_factory=dict)
    layers: dict = field(default_factory=dict)

    def fail(self, reason: str) -> None:
        """Mark the row as failed, in one line."""
        self.status, self.reason = "failed", " ".join(str(reason).split())[:400]

    def as_dict(self) -> dict:
        """Return the row as plain values."""
        return asdict(self)


def rows_of(artefact: Artefact, threads: list[int]) -> list[Row]:
    """Return the rows of one artefact: one for each number of threads, engines only one."""
    counts: list[int | None] = list(threads)
    if artefact.target == "tensorrt":
        counts = [None]
    elif artefact.target == "keras":
        counts = [max(threads)]
    rows = []
    for count in counts:
        row = Row(artefact.model, artefact.target, artefact.precision, count)
        row.export_seconds, row.layers = artefact.export_seconds, artefact.layers
        if artefact.path is None:
            row.fail(artefact.reason)
        else:
            row.file, row.bytes = artefact.path.name, artefact.path.stat().st_size
        rows.append(row)
    return rows


def summarise(times: list[float]) -> dict[str, float]:
    """Return median, 90th percentile (ms) and the number of runs."""
    return {
        "median": round(float(np.median(times)), 4),
        "p90": round(float(np.percentile(times, 90)), 4),
        "runs": len(times),
    }
