"""From class scores and box offsets of regions to detections."""

import keras
from keras import ops

from keras_struct.layers.region_proposals import limited
from keras_struct.ops import boxes as box_ops
from keras_struct.ops.nms import non_max_suppression
from keras_struct.ops.region_matching import has_area

_ACTIVATIONS = ("softmax", "sigmoid")


@keras.saving.register_keras_serializable(package="keras_struct")
class RegionDecoder(keras.layers.Layer):
    """Move regions by the offsets of each class, score, suppress, and keep the best.

    Computes in float32.

    Args:
        image_size: (height, width), pixels; results are clipped to the image.
        score_threshold: float in [0, 1]. Scores not above it are dropped.
        iou_threshold: float in [0, 1]. Boxes of one class above it suppress each other.
        max_detections: int, K.
        max_candidates: int, pairs of a region and a class that enter suppression, best first;
            looked at where every class has boxes of its own.
        activation: "softmax" over background and classes, or "sigmoid" of each class.

    Call arguments:
        inputs: {"class_logits": (B, R, 1 + C), background first, "box_deltas": (B, R, C, 4), or
            (B, R, 1, 4) for all classes}.
        regions: (B, R, 4) float32, xyxy, pixels; those without area pad.

    Returns:
        {"boxes": (B, K, 4) float32 xyxy pixels, "scores": (B, K) float32, "labels": (B, K) int32,
        "num_detections": (B,) int32}, best first, padded with 0, 0 and -1.

    Raises:
        ValueError: for another activation.

    Source: Girshick 2015, arXiv:1504.08083, section 3.1 (suppression at 0.3 on PASCAL VOC);
    Detectron2 (0.05, 0.5 and 100 on COCO).
    """

    def __init__(
        self,
        image_size,
        score_threshold=0.05,
        iou_threshold=0.5,
        max_detections=100,
        max_candidates=1000,
        activation="softmax",
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.image_size = tuple(image_size)
        self.score_threshold = float(score_threshold)
        self.iou_threshold = float(iou_threshold)
        self.max_detections = int(max_detections)
        self.max_candidates = int(max_candidates)
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {_ACTIVATIONS}. Received: activation={activation!r}."
            )
        self.activation = activation

    def call(self, inputs, regions):
        real = ops.cast(has_area(regions), "float32")[..., None]
        logits = inputs["class_logits"]
        softmax = self.activation == "softmax"
        scores = ops.softmax(logits, axis=-1) if softmax else ops.sigmoid(logits)
        scores = scores[..., 1:] * real
        deltas = limited(inputs["box_deltas"], box_ops.VARIANCES[2])
        boxes = box_ops.decode(deltas, regions[:, :, None])
        boxes = box_ops.clip(boxes, *self.image_size)
        if boxes.shape[2] == 1:
            boxes = boxes[:, :, 0]
        else:
            boxes, scores = self._best_pairs(boxes, scores)
        return non_max_suppression(
            boxes,
            scores,
            iou_threshold=self.iou_threshold,
            score_threshold=self.score_threshold,
            max_detections=self.max_detections,
        )

    def _best_pairs(self, boxes, scores):
        """The best pairs of a region and a class as boxes (B, T, 4) and scores (B, T, C)."""
        regions, classes = scores.shape[1:]
        pairs = regions * classes
        count = min(self.max_candidates, pairs)
        best, index = ops.top_k(ops.reshape(scores, (-1, pairs)), count)
        boxes = ops.reshape(boxes, (-1, pairs, 4))
        boxes = ops.take_along_axis(boxes, index[..., None], axis=1)
        return boxes, best[..., None] * ops.one_hot(index % classes, classes)

    def compute_output_spec(self, inputs, regions):
        shape = (regions.shape[0], self.max_detections)
        return {
            "boxes": keras.KerasTensor((*shape, 4), "float32"),
            "scores": keras.KerasTensor(shape, "float32"),
            "labels": keras.KerasTensor(shape, "int32"),
            "num_detections": keras.KerasTensor(shape[:1], "int32"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "image_size": list(self.image_size),
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "max_detections": self.max_detections,
            "max_candidates": self.max_candidates,
            "activation": self.activation,
        }
