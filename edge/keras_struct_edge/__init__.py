"""Runs keras_struct artefacts on a device, without TensorFlow.

from keras_struct_edge import load
detections = load("cells.tflite")(image)     # (H, W, 3) uint8 RGB in, Detections out
"""

from .card import ArtefactError as ArtefactError
from .detections import Detections as Detections
from .loading import load as load
from .predictor import Predictor as Predictor

__version__ = "0.1.0"
