"""Image to a dict of feature levels: "P3" has stride 8, "P4" stride 16, and so on."""

from keras_struct.backbones.backbone import create as create
from keras_struct.backbones.backbone import names as names
