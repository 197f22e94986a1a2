"""Evaluation numbers in plain numpy: what a model is worth on data it has not seen."""

from keras_struct.metrics.detection import DetectionMetrics as DetectionMetrics
from keras_struct.metrics.segmentation import SegmentationMetrics as SegmentationMetrics
from keras_struct.metrics.voc import average_precision as average_precision
