"""Dense labelling at toy size: a small network, and pictures whose grey says the class."""

import keras
import numpy as np

from keras_struct.data import Dataset, scenes
from keras_struct.data.shapes import ShapesSource
from keras_struct.models.labelling import LabellingModel, LabellingOptions

NAMES = ("background", *scenes.CLASS_NAMES)
_STEP = 40


@keras.saving.register_keras_serializable(package="toy")
class ToyLabels(LabellingModel):
    """Two convolutions at half the size, with everything that has state between them."""

    def __init__(self, num_classes, image_size, *, name=None, **labelling):
        images = keras.Input((None, None, 3), name="images")
        x = keras.layers.Rescaling(1 / 127.5, -1)(images)
        x = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu", name="encoder")(x)
        x = keras.layers.BatchNormalization(name="norm", momentum=0.5)(x)
        x = keras.layers.Dropout(0.1, seed=3)(x)
        logits = keras.layers.Conv2D(num_classes, 1, name="classifier")(x)
        options = LabellingOptions(num_classes, image_size, **labelling)
        super().__init__(images, logits, options, stride=2, name=name)


@keras.saving.register_keras_serializable(package="toy")
class GreyLabels(LabellingModel):
    """Knows the classes of `grey_shapes` without learning: the nearest of their greys."""

    def __init__(self, num_classes, image_size, *, name=None, **labelling):
        images = keras.Input((None, None, 3), name="images")
        classifier = keras.layers.Conv2D(num_classes, 1, name="classifier")
        logits = classifier(images)
        greys = _STEP * np.arange(num_classes, dtype="float32")
        kernel = np.broadcast_to(2 * greys / 3, (1, 1, 3, num_classes))
        classifier.set_weights([kernel / 100, -(greys**2) / 100])
        options = LabellingOptions(num_classes, image_size, **labelling)
        super().__init__(images, logits, options, name=name)


class _GreyWorld(scenes.World):
    def paint(self, number, scene):
        labels = scene["segmentation_masks"]
        grey = np.where(labels == 255, 0, labels * _STEP)
        return np.repeat(grey, 3, axis=-1).astype("uint8")


def grey_shapes(count, size=(48, 64), first=0):
    """The shapes world with flat colours, as a data set of label maps."""
    world = _GreyWorld(size, 0, scenes.CLASS_NAMES, 4)
    return Dataset(ShapesSource(world, count, first)).for_task("segmentation")
