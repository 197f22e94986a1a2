"""Features of fixed size for boxes of any size."""

from keras_struct.ops.region_features.position_sensitive import (
    position_sensitive_roi_align as position_sensitive_roi_align,
)
from keras_struct.ops.region_features.position_sensitive import (
    position_sensitive_roi_pool as position_sensitive_roi_pool,
)
from keras_struct.ops.region_features.region_warp import region_warp as region_warp
from keras_struct.ops.region_features.roi_align import roi_align as roi_align
from keras_struct.ops.region_features.roi_pool import roi_pool as roi_pool
from keras_struct.ops.region_features.spatial_pyramid import (
    spatial_pyramid_pooling as spatial_pyramid_pooling,
)
