"""From the heads' logits of detected boxes to masks and keypoints."""

from keras import ops

from keras_struct.losses.head_losses import of_class


def masks_of(logits, labels):
    """Probabilities of the mask of each detection's class.

    Args:
        logits: (B, K, h, w, C) float32.
        labels: (B, K) int32, -1 pads.

    Returns:
        (B, K, h, w) float32 in [0, 1], over the cells of the box; 0 for padding.
    """
    real = ops.cast(ops.greater_equal(labels, 0), "float32")
    return ops.sigmoid(of_class(logits, labels)) * real[..., None, None]


def keypoints_of(logits, boxes):
    """The best cell of each keypoint's heatmap, in pixels.

    Args:
        logits: (B, K, h, w, J) float32.
        boxes: (B, K, 4) float32, xyxy, pixels.

    Returns:
        (B, K, J, 3) float32: x and y of the cell's middle, and its probability.

    Source: He et al. 2017, arXiv:1703.06870, section 5; half a cell is added as in Detectron.
    """
    count, rows, columns, joints = logits.shape[1:]
    flat = ops.transpose(ops.reshape(logits, (-1, count, rows * columns, joints)), (0, 1, 3, 2))
    best, index = ops.top_k(flat, 1)
    score = ops.exp(best[..., 0] - ops.logsumexp(flat, axis=-1))
    index = ops.cast(index[..., 0], "float32")
    row = ops.floor((index + 0.5) / columns)
    column = index - row * columns
    low, sides = boxes[..., None, :2], boxes[..., None, 2:] - boxes[..., None, :2]
    x = low[..., 0] + (column + 0.5) / columns * sides[..., 0]
    y = low[..., 1] + (row + 0.5) / rows * sides[..., 1]
    return ops.stack([x, y, score], axis=-1)
