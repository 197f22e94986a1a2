"""Raw predictions on anchors to detections."""

import keras
import numpy as np
from keras import ops

from keras_struct.ops import boxes as box_ops
from keras_struct.ops.nms import non_max_suppression


@keras.saving.register_keras_serializable(package="keras_struct")
class AnchorDecoder(keras.layers.Layer):
    """Turn box offsets and class logits into boxes, scores and labels.

    Scores by softmax (background first, dropped) or sigmoid, boxes from the anchors, greedy
    suppression per class, the best `max_detections` of all classes. Computes in float32.

    Args:
        anchors: (A, 4) floats, xyxy, pixels.
        image_size: int, pixels; results are clipped to the image.
        has_background: bool, logits carry a background class first and go through a softmax.
        score_threshold: float in [0, 1]. Scores not above it are dropped.
        iou_threshold: float in [0, 1]. Boxes of one class above it suppress each other.
        max_candidates: int, boxes per class that enter suppression, best first.
        max_detections: int, K.

    Call arguments:
        inputs: {"box_deltas": (B, A, 4), "class_logits": (B, A, [1 +] C)}.

    Returns:
        {"boxes": (B, K, 4) float32 xyxy pixels, "scores": (B, K) float32, "labels": (B, K) int32,
        "num_detections": (B,) int32}, best first, padded with 0, 0 and -1.

    Raises:
        ValueError: if `anchors` is not (A, 4).

    Source: Liu et al. 2016, arXiv:1512.02325, section 3 (0.01, 0.45, 400 and 200).
    """

    def __init__(
        self,
        anchors,
        image_size,
        has_background=True,
        score_threshold=0.01,
        iou_threshold=0.45,
        max_candidates=400,
        max_detections=200,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.anchors = np.asarray(anchors, "float32")
        if self.anchors.ndim != 2 or self.anchors.shape[1] != 4:
            raise ValueError(
                f"`anchors` must be (A, 4). Received: anchors of shape {self.anchors.shape}."
            )
        self.image_size = int(image_size)
        self.has_background = bool(has_background)
        self.score_threshold = float(score_threshold)
        self.iou_threshold = float(iou_threshold)
        self.max_candidates = int(max_candidates)
        self.max_detections = int(max_detections)

    def call(self, inputs):
        logits = inputs["class_logits"]
        if self.has_background:
            scores = ops.softmax(logits, axis=-1)[..., 1:]
        else:
            scores = ops.sigmoid(logits)
        result = non_max_suppression(
            box_ops.decode(inputs["box_deltas"], self.anchors),
            scores,
            iou_threshold=self.iou_threshold,
            score_threshold=self.score_threshold,
            max_detections=self.max_detections,
            max_candidates=self.max_candidates,
        )
        return {**result, "boxes": box_ops.clip(result["boxes"], self.image_size, self.image_size)}

    def compute_output_shape(self, input_shape):
        batch, kept = input_shape["box_deltas"][0], self.max_detections
        return {
            "boxes": (batch, kept, 4),
            "scores": (batch, kept),
            "labels": (batch, kept),
            "num_detections": (batch,),
        }

    def compute_output_spec(self, inputs):
        shapes = self.compute_output_shape({name: x.shape for name, x in inputs.items()})
        integers = ("labels", "num_detections")
        return {
            name: keras.KerasTensor(shape, "int32" if name in integers else "float32")
            for name, shape in shapes.items()
        }

    def get_config(self):
        return {
            **super().get_config(),
            "anchors": self.anchors.tolist(),
            "image_size": self.image_size,
            "has_background": self.has_background,
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "max_candidates": self.max_candidates,
            "max_detections": self.max_detections,
        }
