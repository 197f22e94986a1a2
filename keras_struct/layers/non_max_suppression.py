"""Non-maximum suppression as a layer."""

import keras

from keras_struct.ops.nms import non_max_suppression


@keras.saving.register_keras_serializable(package="keras_struct")
class NonMaxSuppression(keras.layers.Layer):
    """Keep the best boxes of every class and drop those that overlap a better one.

    The layer form of `keras_struct.ops.nms.non_max_suppression`, always float32.

    Args:
        iou_threshold: float in [0, 1]. A box is dropped when its IoU with a better kept box of
            its class is greater than this.
        score_threshold: float in [0, 1]. Only scores greater than this count.
        max_detections: int, K, detections kept per image.
        max_candidates: int or None. Only that many best scores of each class are looked at.
        max_per_class: int or None. Detections kept per class and image.
        exhaustive: bool. False looks only at the best candidates in one round.

    Call arguments:
        boxes: (B, A, 4) float32, xyxy, pixels.
        scores: (B, A, C) float32 in [0, 1].

    Returns:
        dict: boxes (B, K, 4) float32, scores (B, K) float32, labels (B, K) int32 with -1 as
        padding, num_detections (B,) int32.
    """

    def __init__(
        self,
        iou_threshold=0.45,
        score_threshold=0.01,
        max_detections=200,
        max_candidates=None,
        max_per_class=None,
        exhaustive=True,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.iou_threshold = iou_threshold
        self.score_threshold = score_threshold
        self.max_detections = max_detections
        self.max_candidates = max_candidates
        self.max_per_class = max_per_class
        self.exhaustive = exhaustive

    def call(self, boxes, scores):
        return non_max_suppression(boxes, scores, **self._options())

    def compute_output_spec(self, boxes, scores):
        batch, count = boxes.shape[0], self.max_detections
        return {
            "boxes": keras.KerasTensor((batch, count, 4), dtype="float32"),
            "scores": keras.KerasTensor((batch, count), dtype="float32"),
            "labels": keras.KerasTensor((batch, count), dtype="int32"),
            "num_detections": keras.KerasTensor((batch,), dtype="int32"),
        }

    def compute_output_shape(self, boxes_shape, scores_shape):
        batch, count = boxes_shape[0], self.max_detections
        return {
            "boxes": (batch, count, 4),
            "scores": (batch, count),
            "labels": (batch, count),
            "num_detections": (batch,),
        }

    def get_config(self):
        return {**super().get_config(), **self._options()}

    def _options(self):
        names = (
            "iou_threshold",
            "score_threshold",
            "max_detections",
            "max_candidates",
            "max_per_class",
            "exhaustive",
        )
        return {name: getattr(self, name) for name in names}
