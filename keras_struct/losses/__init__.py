"""Losses on raw predictions and padded ground truth."""

from keras_struct.losses.anchor_targets import assign_targets as assign_targets
from keras_struct.losses.box_loss import SmoothL1BoxLoss as SmoothL1BoxLoss
from keras_struct.losses.catalog import LOSSES as LOSSES
from keras_struct.losses.class_loss import FocalClassLoss as FocalClassLoss
from keras_struct.losses.class_loss import HardNegativeCrossEntropy as HardNegativeCrossEntropy
from keras_struct.losses.graph_losses import graph_loss as graph_loss
from keras_struct.losses.image_mean import ImageMean as ImageMean
from keras_struct.losses.label_map_loss import LabelMapLoss as LabelMapLoss
from keras_struct.losses.pixel_losses import PixelCrossEntropy as PixelCrossEntropy
from keras_struct.losses.pixel_losses import PixelFocal as PixelFocal
from keras_struct.losses.region_losses import LovaszSoftmax as LovaszSoftmax
from keras_struct.losses.region_losses import SoftDice as SoftDice
