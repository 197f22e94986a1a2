"""What goes into the making of an artefact, and what comes out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_struct_export.frozen import FrozenGraph
from keras_struct_export.progress import Progress


@dataclass(frozen=True)
class Request:
    """All that a target's `build` needs.

    Attributes:
        graph: the frozen model.
        card: complete, as it goes into the file.
        precision: one of "float32", "float16", "int8".
        calibration: (N, H, W, 3) float32, or None except for int8.
        progress: where steps are reported.
        folder: a folder for intermediate files, deleted after the export.
    """

    graph: FrozenGraph
    card: dict
    precision: str
    calibration: np.ndarray | None
    progress: Progress
    folder: Path


@dataclass(frozen=True)
class Artefact:
    """An artefact before it is written.

    Attributes:
        files: ending to append to the path ("" for the artefact itself) -> content.
        operators: number of operators in its main graph.
        runtime: package that runs it.
        twin: an ONNX file of the same numbers, for targets this machine cannot run.
    """

    files: dict[str, bytes]
    operators: int
    runtime: str
    twin: bytes | None = None
