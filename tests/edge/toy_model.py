"""Script that made golden/: tiny models without a card, whose results can be worked out by hand.

toy_{1,any}.{tflite,onnx}, a detector: it finds bright 8 x 8 cells of a 32 x 32 image. The mean of a
cell's red, green or blue channel is a score, the cell a box, the channel the label.
labels_1.{tflite,onnx}, a label map: in an image of 24 rows and 32 columns each pixel has the class
of its brightest channel; the probabilities are the softmax of the channels over 50.
Usage: python toy_model.py FOLDER (keras 3.15.1, tensorflow 2.21.0, tf2onnx 1.17.0)
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from keras import ops

SIZE, CELL, KEPT = 32, 8, 5
PER_SIDE = SIZE // CELL


class Decoder(keras.layers.Layer):
    def call(self, means):
        scores, index = ops.top_k(means / 255.0, KEPT)
        found = scores > 0.5
        cells = [
            [column * CELL, row * CELL, (column + 1) * CELL, (row + 1) * CELL]
            for row in range(PER_SIDE)
            for column in range(PER_SIDE)
            for _ in range(3)
        ]
        boxes = ops.take(ops.convert_to_tensor(np.array(cells, "float32")), index, axis=0)
        return {
            "boxes": ops.where(found[..., None], boxes, 0.0),
            "scores": ops.where(found, scores, 0.0),
            "labels": ops.cast(ops.where(found, ops.mod(index, 3), -1), "int32"),
            "num_detections": ops.sum(ops.cast(found, "int32"), axis=-1),
        }

    def compute_output_spec(self, means):
        batch = means.shape[0]
        return {
            "boxes": keras.KerasTensor((batch, KEPT, 4)),
            "scores": keras.KerasTensor((batch, KEPT)),
            "labels": keras.KerasTensor((batch, KEPT), "int32"),
            "num_detections": keras.KerasTensor((batch,), "int32"),
        }


class LabelMap(keras.layers.Layer):
    def call(self, images):
        return {
            "segmentation": ops.top_k(images, 1)[1][..., 0],
            "probabilities": ops.softmax(images / 50.0, axis=-1),
        }

    def compute_output_spec(self, images):
        return {
            "segmentation": keras.KerasTensor(images.shape[:-1], "int32"),
            "probabilities": keras.KerasTensor(images.shape),
        }


def detector():
    images = keras.Input((SIZE, SIZE, 3), name="images")
    means = keras.layers.AveragePooling2D(CELL)(images)
    means = keras.layers.Reshape((PER_SIDE * PER_SIDE * 3,))(means)
    return keras.Model(images, Decoder()(means))


def labeller():
    images = keras.Input((24, 32, 3), name="images")
    return keras.Model(images, LabelMap()(images))


def write(model, batch, path):
    shape = (batch, *model.input_shape[1:])
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="images")]
    model.export(
        f"{path}.tflite",
        format="litert",
        input_signature=signature,
        verbose=False,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )
    model.export(f"{path}.onnx", format="onnx", input_signature=signature, verbose=False)


def main(folder):
    write(detector(), 1, f"{folder}/toy_1")
    write(detector(), None, f"{folder}/toy_any")
    write(labeller(), 1, f"{folder}/labels_1")


if __name__ == "__main__":
    main(sys.argv[1])
