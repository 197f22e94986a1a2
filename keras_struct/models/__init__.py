"""One family a folder; `create` builds any of them by name."""

from keras_struct.models.catalog import arguments as arguments
from keras_struct.models.catalog import create as create
from keras_struct.models.catalog import names as names
from keras_struct.models.catalog import task as task
from keras_struct.models.fully_convolutional import (
    to_fully_convolutional as to_fully_convolutional,
)
from keras_struct.models.labelling import FCN as FCN
from keras_struct.models.labelling import CRFasRNN as CRFasRNN
from keras_struct.models.labelling import DeconvNet as DeconvNet
from keras_struct.models.labelling import DeepLab as DeepLab
from keras_struct.models.labelling import UNet as UNet
from keras_struct.models.labelling import aggregate_proposals as aggregate_proposals
from keras_struct.models.region_based import RCNN as RCNN
from keras_struct.models.region_based import RFCN as RFCN
from keras_struct.models.region_based import FasterRCNN as FasterRCNN
from keras_struct.models.region_based import FastRCNN as FastRCNN
from keras_struct.models.region_based import MaskRCNN as MaskRCNN
from keras_struct.models.region_based import SPPNet as SPPNet
from keras_struct.models.ssd import SSD as SSD
from keras_struct.models.ssd import fit_default_boxes as fit_default_boxes
from keras_struct.models.structured import StructuredModel as StructuredModel
