"""SSD: single shot multibox detector."""

from keras_struct.models.ssd.fitted_boxes import fit_default_boxes as fit_default_boxes
from keras_struct.models.ssd.ssd import SSD as SSD
