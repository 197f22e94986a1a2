"""Region-based detectors: choices of parts in one assembly."""

from keras_struct.models.region_based.fast_rcnn import FastRCNN as FastRCNN
from keras_struct.models.region_based.fast_rcnn import SPPNet as SPPNet
from keras_struct.models.region_based.faster_rcnn import FasterRCNN as FasterRCNN
from keras_struct.models.region_based.mask_rcnn import MaskRCNN as MaskRCNN
from keras_struct.models.region_based.rcnn import RCNN as RCNN
from keras_struct.models.region_based.rfcn import RFCN as RFCN
