"""Non-maximum suppression as a layer."""

import keras

from keras_struct.ops.nms import Options, check_options, check_shapes, suppress

_ARGUMENTS = Options._fields[:6]


@keras.saving.register_keras_serializable(package="keras_struct")
class NonMaxSuppression(keras.layers.Layer):
    """Keep the best boxes of every class and drop those that overlap a better one.

    The layer form of `keras_struct.ops.nms.non_max_suppression`, with the same arguments; it
    computes in float32 under any dtype policy. It exports to LiteRT with built-in operations
    only, to ONNX and to TensorRT, with the same results.

    Args:
        iou_threshold: float in [0, 1]. A box is dropped when its IoU with a better kept box of
            its class is greater than this.
        score_threshold: float in [0, 1]. Only scores greater than this are candidates.
        max_detections: int, K, detections kept per image.
        max_candidates: int or None. Only that many best candidates of each class are read.
        max_per_class: int or None. Detections kept per image and class.
        exhaustive: bool. False reads only one block of the best candidates, which makes a smaller
            exported graph; worse detections can then be missing, see the function.

    Call arguments:
        boxes: (B, A, 4) float32, xyxy, pixels.
        scores: (B, A, C) float32 in [0, 1].

    Returns:
        dict, by falling score: boxes (B, K, 4) float32, scores (B, K) float32, labels (B, K)
        int32, num_detections (B,) int32. Padding has label -1, score 0 and box 0.

    Raises:
        ValueError: if an argument is out of its range or the shapes do not fit.

    Example:
        >>> layer = NonMaxSuppression(iou_threshold=0.5, max_detections=100)
        >>> layer(boxes, scores)["boxes"].shape
        (8, 100, 4)

    Source: greedy suppression as in Liu et al. 2016, arXiv:1512.02325, section 2.2.
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
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.iou_threshold = iou_threshold
        self.score_threshold = score_threshold
        self.max_detections = max_detections
        self.max_candidates = max_candidates
        self.max_per_class = max_per_class
        self.exhaustive = exhaustive
        self._options = check_options(Options(**self._arguments()))

    def call(self, boxes, scores):
        return suppress(boxes, scores, self._options)

    def compute_output_shape(self, boxes_shape, scores_shape):
        batch, count = boxes_shape[0], self.max_detections
        return {
            "boxes": (batch, count, 4),
            "scores": (batch, count),
            "labels": (batch, count),
            "num_detections": (batch,),
        }

    def compute_output_spec(self, boxes, scores):
        check_shapes(tuple(boxes.shape), tuple(scores.shape))
        whole = ("labels", "num_detections")
        return {
            name: keras.KerasTensor(shape, dtype="int32" if name in whole else "float32")
            for name, shape in self.compute_output_shape(boxes.shape, scores.shape).items()
        }

    def get_config(self):
        return {**super().get_config(), **self._arguments()}

    def _arguments(self):
        return {name: getattr(self, name) for name in _ARGUMENTS}
