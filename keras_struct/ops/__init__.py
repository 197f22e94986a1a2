"""Pure functions on tensors, keras.ops only."""

from keras_struct.ops import boxes as boxes
from keras_struct.ops.matching import match_boxes as match_boxes
from keras_struct.ops.mining import hard_negatives as hard_negatives
from keras_struct.ops.nms import non_max_suppression as non_max_suppression
from keras_struct.ops.region_features import (
    position_sensitive_roi_align as position_sensitive_roi_align,
)
from keras_struct.ops.region_features import (
    position_sensitive_roi_pool as position_sensitive_roi_pool,
)
from keras_struct.ops.region_features import region_warp as region_warp
from keras_struct.ops.region_features import roi_align as roi_align
from keras_struct.ops.region_features import roi_pool as roi_pool
from keras_struct.ops.region_features import spatial_pyramid_pooling as spatial_pyramid_pooling
