"""Pure functions on tensors, keras.ops only."""

from keras_struct.ops import boxes as boxes
from keras_struct.ops.matching import match_boxes as match_boxes
from keras_struct.ops.mining import hard_negatives as hard_negatives
from keras_struct.ops.nms import non_max_suppression as non_max_suppression
