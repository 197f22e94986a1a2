"""Turns trained models into LiteRT, ONNX and TensorRT artefacts."""
__version__ = "0.1.0"
