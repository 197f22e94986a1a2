"""Region-based detectors: choices of parts in one assembly."""

from keras_struct.models.region_based.faster_rcnn import FasterRCNN as FasterRCNN
from keras_struct.models.region_based.mask_rcnn import MaskRCNN as MaskRCNN
