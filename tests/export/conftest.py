"""A small detector that follows the contract, and its artefacts, each made once."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_struct.ops import boxes as box_ops
from keras_struct.ops.nms import non_max_suppression
from keras_struct_export import export
from keras_struct_export.samples import synthetic_images

SIZE = 64
CLASSES = ("red", "green", "blué")
SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", "tensorrt": ".engine"}


def anchors():
    centers = (np.arange(SIZE // 8) + 0.5) * 8
    y, x = np.meshgrid(centers, centers, indexing="ij")
    boxes = [np.stack([x - s, y - s, x + s, y + s], -1) for s in (8, 16)]
    return np.stack(boxes, 2).reshape(-1, 4).astype("float32")


class ToyDecoder(keras.layers.Layer):
    """Softmax, box decoding and exact suppression, with the loop an exporter has to take."""

    score_threshold = 0.4

    def call(self, raw):
        return non_max_suppression(
            box_ops.decode(raw["box_deltas"], anchors()),
            ops.softmax(raw["class_logits"], axis=-1)[..., 1:],
            score_threshold=self.score_threshold,
            max_detections=20,
            exhaustive=False,
        )

    def compute_output_spec(self, raw):
        batch = raw["box_deltas"].shape[0]
        return {
            "boxes": keras.KerasTensor((batch, 20, 4), "float32"),
            "scores": keras.KerasTensor((batch, 20), "float32"),
            "labels": keras.KerasTensor((batch, 20), "int32"),
            "num_detections": keras.KerasTensor((batch,), "int32"),
        }


class Toy:
    """Not a keras.Model itself: `export` needs no more than the contract."""

    image_size = SIZE

    def __init__(self, extra_layer=None):
        keras.utils.set_random_seed(1)
        images = keras.Input((SIZE, SIZE, 3), name="images")
        x = layers.Rescaling(1 / 127.5, -1)(images)
        for filters in (8, 16, 24):
            x = layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU(6.0)(x)
        y = layers.DepthwiseConv2D(3, padding="same")(x)
        x = layers.Add()([x, layers.Conv2D(24, 1)(y)])
        if extra_layer is not None:
            x = extra_layer(x)
        deltas = layers.Conv2D(8, 3, padding="same")(x)
        wide = keras.initializers.RandomNormal(stddev=0.5, seed=3)
        logits = layers.Conv2D(8, 3, padding="same", kernel_initializer=wide)(x)
        raw = {
            "box_deltas": layers.Reshape((-1, 4))(deltas),
            "class_logits": layers.Reshape((-1, 4))(logits),
        }
        self.network = keras.Model(images, raw, name="network")
        self.layers = self.network.layers

    def __call__(self, images, training=False):
        return self.network(images, training=training)

    def _flatten_layers(self, **kwargs):
        return self.network._flatten_layers(**kwargs)

    def with_decoder(self):
        results = ToyDecoder(name="decoder", dtype="float32")(self.network.output)
        return keras.Model(self.network.input, results)

    def card(self):
        return {
            "format": "keras_struct",
            "card_version": 1,
            "task": "detection",
            "model": "Toy",
            "backbone": "none",
            "class_names": list(CLASSES),
            "input": {
                "name": "images",
                "height": SIZE,
                "width": SIZE,
                "channels": 3,
                "layout": "NHWC",
                "dtype": "float32",
                "range": [0, 255],
                "resize": "stretch",
                "pad_value": 114,
            },
            "results": ["boxes", "scores", "labels", "num_detections"],
            "max_detections": 20,
        }


@pytest.fixture(scope="session")
def toy_class():
    return Toy


@pytest.fixture(scope="session")
def toy():
    return Toy()


@pytest.fixture(scope="session")
def images(toy):
    return synthetic_images(24, toy.card()["input"], seed=5)


@pytest.fixture(scope="session")
def exported(toy, images, tmp_path_factory):
    """exported(target, precision, ...) -> ExportReport, made at the first request."""
    folder, made = tmp_path_factory.mktemp("artefacts"), {}

    def get(target, precision, **options):
        key = (target, precision, *sorted(options.items()))
        if key not in made:
            path = folder / f"toy{len(made)}{SUFFIXES[target]}"
            calibration = images if precision == "int8" else None
            made[key] = export(toy, path, target, precision, calibration, progress=None, **options)
        return made[key]

    return get
