"""From the raw predictions of a region proposal network to proposals."""

import math

import keras
import numpy as np
from keras import ops

from keras_struct.ops import boxes as box_ops
from keras_struct.ops.nms import non_max_suppression

MOST_GROWTH = math.log(1000.0 / 16.0)


@keras.saving.register_keras_serializable(package="keras_struct")
class RegionProposals(keras.layers.Layer):
    """Decode the anchors that look most like an object, suppress, and keep the best.

    Of every level the anchors of highest score are decoded, clipped to the image and, those of one
    level, suppressed; then the best of all levels are kept. Computes in float32; no gradient flows
    through.

    Args:
        anchors: {"P4": (A_4, 4), ...}, xyxy, pixels, the finest level first.
        image_size: (height, width), pixels.
        pre_nms: int, anchors of a level that are decoded.
        post_nms: int, P, proposals kept of an image.
        iou_threshold: float in [0, 1], above which proposals of a level suppress each other.
        min_size: float, pixels: proposals with a smaller side are dropped.
        score_threshold: float in [0, 1]: so are those with a lower score.

    Call arguments:
        logits: (B, A) float, of being an object; all levels behind each other.
        deltas: (B, A, 4) float, offsets from the anchors, as `boxes.encode` with variances of 1.

    Returns:
        {"boxes": (B, P, 4) float32 xyxy pixels, "scores": (B, P) float32}, best first, padded with
        zeros.

    Raises:
        ValueError: if the anchors of a level are not (A, 4).

    Source: Ren et al. 2015, arXiv:1506.01497, section 3.3 (6000 and 300 in tests, 12000 and 2000
    in training, 0.7); Lin et al. 2017, arXiv:1612.03144, section 4.1 (levels).
    """

    always_float32 = True

    def __init__(
        self,
        anchors,
        image_size,
        pre_nms=1000,
        post_nms=300,
        iou_threshold=0.7,
        min_size=0.0,
        score_threshold=0.0,
        **kwargs,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.anchors = {name: np.asarray(boxes, "float32") for name, boxes in anchors.items()}
        for name, boxes in self.anchors.items():
            if boxes.ndim != 2 or boxes.shape[1] != 4:
                raise ValueError(
                    f"`anchors` must be (A, 4) for each level. Received: {name} of {boxes.shape}."
                )
        self.image_size = tuple(image_size)
        self.pre_nms = int(pre_nms)
        self.post_nms = int(post_nms)
        self.iou_threshold = float(iou_threshold)
        self.min_size = float(min_size)
        self.score_threshold = float(score_threshold)

    def call(self, logits, deltas):
        parts, start = [], 0
        for anchors in self.anchors.values():
            stop = start + len(anchors)
            parts.append(self._of_level(logits[:, start:stop], deltas[:, start:stop], anchors))
            start = stop
        scores = self._by_level([scores for scores, _ in parts])
        result = non_max_suppression(
            ops.stop_gradient(ops.concatenate([boxes for _, boxes in parts], axis=1)),
            ops.stop_gradient(scores),
            iou_threshold=self.iou_threshold,
            score_threshold=self.score_threshold,
            max_detections=self.post_nms,
        )
        return {"boxes": result["boxes"], "scores": result["scores"]}

    def _of_level(self, logits, deltas, anchors):
        """Scores (B, T) and boxes (B, T, 4) of the best anchors of a level."""
        count = min(self.pre_nms, len(anchors))
        logits, index = ops.top_k(ops.cast(logits, "float32"), count)
        deltas = ops.take_along_axis(deltas, ops.expand_dims(index, -1), axis=1)
        boxes = box_ops.decode(
            limited(ops.cast(deltas, "float32")),
            ops.take(anchors, index, axis=0),
            box_ops.UNIT_VARIANCES,
        )
        boxes = box_ops.clip(boxes, *self.image_size)
        sides = boxes[..., 2:] - boxes[..., :2]
        large = ops.greater(ops.min(sides, axis=-1), max(self.min_size, 1e-3))
        return ops.where(large, ops.sigmoid(logits), 0.0), boxes

    def _by_level(self, scores):
        """(B, T, L): the levels are classes to suppression, which keeps them apart."""
        if len(scores) == 1:
            return scores[0][..., None]
        columns = []
        for level, own in enumerate(scores):
            around = [ops.zeros_like(other) for other in scores]
            around[level] = own
            columns.append(ops.concatenate(around, axis=1))
        return ops.stack(columns, axis=-1)

    def compute_output_spec(self, logits, deltas):
        shape = (logits.shape[0], self.post_nms)
        return {
            "boxes": keras.KerasTensor((*shape, 4), "float32"),
            "scores": keras.KerasTensor(shape, "float32"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "anchors": {name: boxes.tolist() for name, boxes in self.anchors.items()},
            "image_size": list(self.image_size),
            "pre_nms": self.pre_nms,
            "post_nms": self.post_nms,
            "iou_threshold": self.iou_threshold,
            "min_size": self.min_size,
            "score_threshold": self.score_threshold,
        }


def limited(deltas, variance=1.0):
    """Offsets (..., 4) whose sizes grow at most 1000 / 16 times, so that none overflows."""
    most = MOST_GROWTH / variance
    return ops.concatenate([deltas[..., :2], ops.minimum(deltas[..., 2:], most)], axis=-1)
