"""Keras layers."""

from keras_struct.layers.anchor_decoder import AnchorDecoder as AnchorDecoder
from keras_struct.layers.l2_normalization import L2Normalization as L2Normalization
from keras_struct.layers.non_max_suppression import NonMaxSuppression as NonMaxSuppression
