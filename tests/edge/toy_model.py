"""Script that made golden/toy_{1,any}.{tflite,onnx}: a tiny detector, without a card.

It finds bright 8 x 8 cells of a 32 x 32 image: the mean of a cell's red, green or blue channel is
a score, the cell a box, the channel the label. So every result can be worked out by hand.
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


def main(folder):
    images = keras.Input((SIZE, SIZE, 3), name="images")
    means = keras.layers.AveragePooling2D(CELL)(images)
    means = keras.layers.Reshape((PER_SIDE * PER_SIDE * 3,))(means)
    model = keras.Model(images, Decoder()(means))
    for batch, name in ((1, "toy_1"), (None, "toy_any")):
        signature = [keras.InputSpec(shape=(batch, SIZE, SIZE, 3), dtype="float32", name="images")]
        model.export(
            f"{folder}/{name}.tflite",
            format="litert",
            input_signature=signature,
            verbose=False,
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
        )
        model.export(
            f"{folder}/{name}.onnx", format="onnx", input_signature=signature, verbose=False
        )


if __name__ == "__main__":
    main(sys.argv[1])
