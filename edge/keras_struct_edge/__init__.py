"""Runs keras_struct artefacts on a device, without TensorFlow."""
__version__ = "0.1.0"
