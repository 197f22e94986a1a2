"""From the heads' logits of detected boxes to masks and keypoints."""

import keras
from keras import ops

from keras_struct.ops.class_entries import of_class


@keras.saving.register_keras_serializable(package="keras_struct")
class MaskDecoder(keras.layers.Layer):
    """The mask of each detection's class.

    Computes in float32.

    Call arguments:
        logits: (B, K, h, w, C) float.
        labels: (B, K) int32, -1 pads.

    Returns:
        (B, K, h, w) float32 in [0, 1], probabilities over the cells of the box; 0 for padding.

    Source: He et al. 2017, arXiv:1703.06870, section 3.1.
    """

    always_float32 = True

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, logits, labels):
        real = ops.cast(ops.greater_equal(labels, 0), "float32")
        return ops.sigmoid(of_class(logits, labels)) * real[..., None, None]

    def compute_output_shape(self, logits_shape, labels_shape):
        return logits_shape[:-1]


@keras.saving.register_keras_serializable(package="keras_struct")
class KeypointDecoder(keras.layers.Layer):
    """The best cell of each keypoint's heatmap, in pixels.

    Computes in float32.

    Call arguments:
        logits: (B, K, h, w, J) float.
        boxes: (B, K, 4) float32, xyxy, pixels.

    Returns:
        (B, K, J, 3) float32: x and y of the cell's middle, and its probability.

    Source: He et al. 2017, arXiv:1703.06870, section 5; half a cell is added as in Detectron.
    """

    always_float32 = True

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, logits, boxes):
        count, rows, columns, joints = logits.shape[1:]
        flat = ops.reshape(logits, (-1, count, rows * columns, joints))
        flat = ops.transpose(flat, (0, 1, 3, 2))
        best, index = ops.top_k(flat, 1)
        score = ops.exp(best[..., 0] - ops.logsumexp(flat, axis=-1))
        index = ops.cast(index[..., 0], "float32")
        row = ops.floor((index + 0.5) / columns)
        column = index - row * columns
        low, sides = boxes[..., None, :2], boxes[..., None, 2:] - boxes[..., None, :2]
        x = low[..., 0] + (column + 0.5) / columns * sides[..., 0]
        y = low[..., 1] + (row + 0.5) / rows * sides[..., 1]
        return ops.stack([x, y, score], axis=-1)

    def compute_output_shape(self, logits_shape, boxes_shape):
        return (*logits_shape[:2], logits_shape[-1], 3)
