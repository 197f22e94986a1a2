"""What an export did."""

from dataclasses import dataclass
from pathlib import Path

from keras_struct_export.compare import Comparison


@dataclass(frozen=True)
class ExportReport:
    """A finished export.

    Attributes:
        path: the artefact.
        target: "litert", "onnx" or "tensorrt".
        precision: "float32", "float16" or "int8".
        runtime: what runs it; for engines which TensorRT built them.
        size: bytes.
        operators: int, operators of its main graph.
        comparison: differences from Keras on the sample images.
        verified: "artefact" if the file itself was run, "onnx" if only the ONNX graph an engine
            was built from, for want of a GPU.
        seconds: duration of the export.
    """

    path: Path
    target: str
    precision: str
    runtime: str
    size: int
    operators: int
    comparison: Comparison
    verified: str
    seconds: float

    @property
    def max_box_error(self) -> float:
        """Largest difference of a box edge from Keras, pixels of the network's input."""
        return self.comparison.box_error

    @property
    def max_score_error(self) -> float:
        """Largest difference of a score from Keras."""
        return self.comparison.score_error
