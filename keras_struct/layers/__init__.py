"""Keras layers."""

from keras_struct.layers.anchor_decoder import AnchorDecoder as AnchorDecoder
from keras_struct.layers.bed_of_nails import BedOfNails as BedOfNails
from keras_struct.layers.bilinear_conv2d_transpose import (
    BilinearConv2DTranspose as BilinearConv2DTranspose,
)
from keras_struct.layers.crop_to import CropTo as CropTo
from keras_struct.layers.dense_crf import DenseCRF as DenseCRF
from keras_struct.layers.graph_crf import ChainCRF as ChainCRF
from keras_struct.layers.graph_crf import GraphCRF as GraphCRF
from keras_struct.layers.l2_normalization import L2Normalization as L2Normalization
from keras_struct.layers.max_unpooling import MaxPoolingWithSwitches as MaxPoolingWithSwitches
from keras_struct.layers.max_unpooling import MaxUnpooling as MaxUnpooling
from keras_struct.layers.non_max_suppression import NonMaxSuppression as NonMaxSuppression
from keras_struct.layers.position_sensitive import (
    PositionSensitiveRoIAlign as PositionSensitiveRoIAlign,
)
from keras_struct.layers.position_sensitive import (
    PositionSensitiveRoIPool as PositionSensitiveRoIPool,
)
from keras_struct.layers.region_warp import RegionWarp as RegionWarp
from keras_struct.layers.resize_to import ResizeTo as ResizeTo
from keras_struct.layers.roi_align import RoIAlign as RoIAlign
from keras_struct.layers.roi_pool import RoIPool as RoIPool
from keras_struct.layers.spatial_pyramid_pooling import (
    SpatialPyramidPooling as SpatialPyramidPooling,
)
