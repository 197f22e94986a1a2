"""Readers, tf.data pipelines and the synthetic shapes world."""

from keras_struct.data.augmentation import SSDAugmentation as SSDAugmentation
from keras_struct.data.dataset import Dataset as Dataset
from keras_struct.data.errors import DatasetError as DatasetError
from keras_struct.data.shapes import shapes as shapes
from keras_struct.data.voc import voc as voc
