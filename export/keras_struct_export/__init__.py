"""Turns trained models into LiteRT, ONNX and TensorRT artefacts."""

from keras_struct_export.compare import Comparison as Comparison
from keras_struct_export.compare import compare as compare
from keras_struct_export.errors import ExportError as ExportError
from keras_struct_export.exporting import export as export
from keras_struct_export.report import ExportReport as ExportReport
from keras_struct_export.targets import Tolerance as Tolerance

__version__ = "0.1.0"
