"""Image to a dict of feature levels: "P3" has stride 8, "P4" stride 16, and so on."""

from keras_struct.backbones.backbone import create as create
from keras_struct.backbones.backbone import create_in_two as create_in_two
from keras_struct.backbones.backbone import names as names
