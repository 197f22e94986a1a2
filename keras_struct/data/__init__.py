"""Readers, tf.data pipelines and the synthetic shapes world."""

from keras_struct.data.augmentation import SSDAugmentation as SSDAugmentation
from keras_struct.data.catalog import open as open
from keras_struct.data.coco import coco as coco
from keras_struct.data.dataset import Dataset as Dataset
from keras_struct.data.errors import DatasetError as DatasetError
from keras_struct.data.nearest import label_map_to_original as label_map_to_original
from keras_struct.data.resize import to_network as to_network
from keras_struct.data.resize import to_original as to_original
from keras_struct.data.shapes import shapes as shapes
from keras_struct.data.voc import voc as voc
