"""Readers, tf.data pipelines and the synthetic shapes world."""

from keras_struct.data.augmentation import SSDAugmentation as SSDAugmentation
from keras_struct.data.border_weights import border_weights as border_weights
from keras_struct.data.camvid import camvid as camvid
from keras_struct.data.catalog import open as open
from keras_struct.data.cityscapes import cityscapes as cityscapes
from keras_struct.data.coco import coco as coco
from keras_struct.data.dataset import Dataset as Dataset
from keras_struct.data.elastic import ElasticDeformation as ElasticDeformation
from keras_struct.data.errors import DatasetError as DatasetError
from keras_struct.data.frequencies import class_frequencies as class_frequencies
from keras_struct.data.label_maps import label_maps as label_maps
from keras_struct.data.nearest import label_map_to_original as label_map_to_original
from keras_struct.data.proposals import Proposals as Proposals
from keras_struct.data.resize import to_network as to_network
from keras_struct.data.resize import to_original as to_original
from keras_struct.data.segmentation_augmentation import (
    SegmentationAugmentation as SegmentationAugmentation,
)
from keras_struct.data.selective_search import selective_search as selective_search
from keras_struct.data.shapes import shapes as shapes
from keras_struct.data.voc import voc as voc
from keras_struct.data.voc_segmentation import voc_segmentation as voc_segmentation
