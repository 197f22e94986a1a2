"""Runs keras_struct artefacts on a device, without TensorFlow.

from keras_struct_edge import load
detections = load("cells.tflite")(image)     # (H, W, 3) uint8 RGB in, Detections out
label_map = load("road.tflite")(image)       # or, by what the file is for, a Segmentation
"""

from .card import ArtefactError as ArtefactError
from .detections import Detections as Detections
from .loading import load as load
from .predictor import Predictor as Predictor
from .segmentation import Segmentation as Segmentation

__version__ = "0.1.0"
