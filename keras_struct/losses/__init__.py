"""Losses on raw predictions and padded ground truth."""

from keras_struct.losses.anchor_targets import assign_targets as assign_targets
from keras_struct.losses.box_loss import SmoothL1BoxLoss as SmoothL1BoxLoss
from keras_struct.losses.class_loss import FocalClassLoss as FocalClassLoss
from keras_struct.losses.class_loss import HardNegativeCrossEntropy as HardNegativeCrossEntropy
from keras_struct.losses.image_mean import ImageMean as ImageMean
