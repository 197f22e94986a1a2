"""Keras layers."""

from keras_struct.layers.anchor_decoder import AnchorDecoder as AnchorDecoder
from keras_struct.layers.l2_normalization import L2Normalization as L2Normalization
