"""A small trained model and data for the tests of this folder."""

import keras
import numpy as np
import pytest

from keras_struct import data


@pytest.fixture(scope="session")
def shapes():
    return data.shapes(5)


class Oracle:
    """Answers with the true boxes, in pixels of the network input, batch after batch."""

    task = "detection"

    def __init__(self, dataset, image_size, resize, padding=7):
        self.image_size, self.resize, self.padding = image_size, resize, padding
        self.dataset, self.index, self.batch_sizes = dataset, 0, []

    def __call__(self, images):
        self.batch_sizes.append(len(images))
        boxes = np.zeros((len(images), self.padding, 4), np.float32)
        labels = np.full((len(images), self.padding), -1, np.int32)
        for row in range(min(len(images), len(self.dataset) - self.index)):
            truth = self.dataset.annotation(self.index)
            size = (truth["height"], truth["width"])
            count = len(truth["labels"])
            boxes[row, :count] = data.to_network(truth["boxes"], size, self.image_size, self.resize)
            labels[row, :count] = truth["labels"]
            self.index += 1
        return {"boxes": boxes, "scores": (labels >= 0) * 0.9, "labels": labels}


@pytest.fixture
def oracle():
    return Oracle


class Constant(keras.Model):
    """A detector that learns one number, and says so by the size of its box."""

    image_size, resize = 32, "stretch"

    def __init__(self, class_names, **kwargs):
        images = keras.Input((32, 32, 3), name="images")
        mean = keras.layers.GlobalAveragePooling2D()(images)
        super().__init__(images, keras.layers.Dense(1, name="dense")(mean / 255), **kwargs)
        self.class_names = class_names

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.square(y_pred - 3.0))

    def card(self):
        return {"task": "detection"}

    def with_decoder(self):
        size = keras.ops.reshape(keras.ops.abs(self.output), (-1, 1, 1)) + 8.0
        corner = keras.ops.zeros_like(size)
        boxes = keras.ops.concatenate([corner, corner, size, size], axis=-1)
        results = {
            "boxes": boxes,
            "scores": keras.ops.ones_like(boxes[..., 0]) * 0.5,
            "labels": keras.ops.zeros_like(boxes[..., 0], dtype="int32"),
            "num_detections": keras.ops.ones_like(boxes[:, 0, 0], dtype="int32"),
        }
        return keras.Model(self.input, results)


@pytest.fixture
def constant(shapes):
    keras.utils.set_random_seed(0)
    return Constant(shapes.class_names)
