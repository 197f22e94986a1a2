"""What all layers of region features have in common."""

import abc

import keras

from keras_struct.ops.region_features.arguments import check_canonical, check_count
from keras_struct.ops.region_features.levels import check_regions


class RegionFeatures(keras.layers.Layer, abc.ABC):
    """Features of one shape for every box, in float32 under any dtype policy.

    A layer names its arguments, sets an attribute for each and says what shape one box gets.
    """

    arguments = ()

    def __init__(self, **kwargs):
        # Half precision would move boxes by pixels.
        super().__init__(**{**kwargs, "dtype": "float32"})

    @abc.abstractmethod
    def region_shape(self, channels):
        """Shape of the features of one box, from the channels of a map."""

    def compute_output_shape(self, levels_shape, boxes_shape):
        channels = next(iter(levels_shape.values()))[3]
        return (*boxes_shape[:2], *self.region_shape(channels))

    def compute_output_spec(self, levels, boxes):
        check_regions(levels, boxes)
        shapes = {name: tuple(features.shape) for name, features in levels.items()}
        return keras.KerasTensor(self.compute_output_shape(shapes, tuple(boxes.shape)), "float32")

    def get_config(self):
        return {**super().get_config(), **self._arguments()}

    def _arguments(self):
        return {name: getattr(self, name) for name in self.arguments}


class PooledRegions(RegionFeatures):
    """Region features of `size` x `size` bins, from the level that suits each box.

    Args:
        size: int of at least 1, bins along a side.
        canonical_size: number above 0, pixels; sqrt(area) from which boxes read
            `canonical_level`.
        canonical_level: int, log2 of a stride.
    """

    arguments = ("size", "canonical_size", "canonical_level")

    def __init__(self, size, canonical_size, canonical_level, **kwargs):
        super().__init__(**kwargs)
        self.size = check_count(size, "size")
        check_canonical(canonical_size, canonical_level)
        self.canonical_size, self.canonical_level = canonical_size, canonical_level

    def region_shape(self, channels):
        return (self.size, self.size, channels)
