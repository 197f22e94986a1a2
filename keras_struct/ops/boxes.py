"""Box arithmetic in the one format of this library: xyxy, absolute pixels, continuous edges.

Mostly names over `keras.utils.bounding_boxes` with the format fixed, so that no caller passes one.
"""

from keras import ops
from keras.utils import bounding_boxes

VARIANCES = (0.1, 0.1, 0.2, 0.2)
UNIT_VARIANCES = (1.0, 1.0, 1.0, 1.0)  # offsets as they are


def pairwise_iou(boxes1, boxes2):
    """Intersection over union of every pair.

    Args:
        boxes1: (N, 4) or (B, N, 4) float32, xyxy, pixels.
        boxes2: (M, 4) or (B, M, 4) float32, xyxy, pixels.

    Returns:
        (N, M), or (B, N, M) if either is batched, float32 in [0, 1]; 0 where a box has no area.
    """
    boxes1, boxes2 = (ops.convert_to_tensor(boxes, "float32") for boxes in (boxes1, boxes2))
    return bounding_boxes.compute_iou(boxes1, boxes2, "xyxy")


def encode(boxes, anchors, variances=VARIANCES):
    """Offsets of boxes from anchors: (dx / w, dy / h, log w'/w, log h'/h) / variances.

    Args:
        boxes: (..., A, 4) float32, xyxy, pixels.
        anchors: (A, 4) float32, xyxy, pixels.
        variances: 4 floats that bring the offsets to unit scale.

    Returns:
        (..., A, 4) float32. Boxes without area give large negative, finite sizes.

    Source: Liu et al. 2016, arXiv:1512.02325, eq. 2; variances as in the authors' code.
    """
    return bounding_boxes.encode_box_to_deltas(
        anchors, boxes, "xyxy", "xyxy", encoding_format="center_xywh", variance=variances
    )


def decode(deltas, anchors, variances=VARIANCES):
    """Boxes from offsets, the inverse of `encode`.

    Args:
        deltas: (..., A, 4) float32 as `encode` returns.
        anchors: (A, 4) float32, xyxy, pixels.
        variances: the 4 floats given to `encode`.

    Returns:
        (..., A, 4) float32, xyxy, pixels, not clipped.
    """
    # Keras' own decoder takes twice the operations, which a device feels
    anchors = ops.convert_to_tensor(anchors, "float32")
    size = anchors[..., 2:] - anchors[..., :2]
    middle = (anchors[..., 2:] + anchors[..., :2]) / 2.0
    move, grow = (ops.convert_to_tensor(pair, "float32") for pair in (variances[:2], variances[2:]))
    centre = deltas[..., :2] * (size * move) + middle
    half = ops.exp(deltas[..., 2:] * grow) * (size / 2.0)
    return ops.concatenate([centre - half, centre + half], axis=-1)


def clip(boxes, height, width):
    """Clip boxes (..., 4), xyxy in pixels, to an image of `height` x `width` pixels."""
    limits = ops.convert_to_tensor([width, height, width, height], dtype=boxes.dtype)
    return ops.minimum(ops.maximum(boxes, 0.0), limits)
