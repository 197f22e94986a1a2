"""What masks and keypoints look like inside regions."""

from keras import ops


def mask_targets(masks, boxes, matches, size):
    """Cut the mask of each region's object out, at the resolution of the mask head.

    Bilinear samples at the middle of each cell, 1 from a half on.

    Args:
        masks: (B, N, H, W), 0 or 1, pixels of the network input.
        boxes: (B, P, 4) float32, xyxy, pixels.
        matches: (B, P) int32, index of the object; below 0 without one, then of no meaning.
        size: (height, width), cells.

    Returns:
        (B, P, height, width) float32, 0 or 1. No gradient flows through.

    Source: He et al. 2017, arXiv:1703.06870, section 3.1.
    """
    count, rows, columns = masks.shape[1:4]
    table = ops.reshape(masks, (-1,))  # as it comes: bytes are a quarter of floats
    y, x = _cell_middles(boxes, size)
    batch = ops.arange(ops.shape(boxes)[0], dtype="int32")[:, None]
    plane = (batch * count + ops.maximum(matches, 0))[..., None, None] * (rows * columns)
    low_y, high_y, share_y = _neighbours(y, rows)
    low_x, high_x, share_x = _neighbours(x, columns)
    total = 0.0
    for row, weight_y in ((low_y, 1.0 - share_y), (high_y, share_y)):
        for column, weight_x in ((low_x, 1.0 - share_x), (high_x, share_x)):
            index = plane + (row * columns)[..., :, None] + column[..., None, :]
            weight = weight_y[..., :, None] * weight_x[..., None, :]
            total = total + weight * ops.cast(ops.take(table, index, axis=0), "float32")
    return ops.stop_gradient(ops.cast(ops.greater_equal(total, 0.5), "float32"))


def _cell_middles(boxes, size):
    """Rows (B, P, height) and columns (B, P, width) of cell middles, in pixels."""
    middles = [(ops.arange(count, dtype="float32") + 0.5) / count for count in size]
    boxes = boxes[..., None]
    y = boxes[..., 1, :] + middles[0] * (boxes[..., 3, :] - boxes[..., 1, :])
    x = boxes[..., 0, :] + middles[1] * (boxes[..., 2, :] - boxes[..., 0, :])
    return y, x


def _neighbours(position, count):
    """Indices of the two pixels around positions in pixels, and the share of the second."""
    position = ops.clip(position - 0.5, 0.0, float(count - 1))
    low = ops.floor(position)
    high = ops.minimum(low + 1.0, float(count - 1))
    return ops.cast(low, "int32"), ops.cast(high, "int32"), position - low


def keypoint_targets(keypoints, boxes, matches, size):
    """The cell of each keypoint inside its region.

    Args:
        keypoints: (B, N, J, 3) float32, (x, y, visibility), pixels; 0 is not annotated.
        boxes: (B, P, 4) float32, xyxy, pixels.
        matches: (B, P) int32, index of the object; below 0 without one.
        size: (height, width), cells.

    Returns:
        (B, P, J) int32, row-major index of the cell, and (B, P, J) bool, whether the keypoint is
        annotated and inside the region. The right and lower border belong to the last cell.

    Source: He et al. 2017, arXiv:1703.06870, section 5; Detectron's convention (floor).
    """
    shape = ops.shape(keypoints)
    flat = ops.reshape(ops.cast(keypoints, "float32"), (shape[0], shape[1], keypoints.shape[2] * 3))
    own = ops.take_along_axis(flat, ops.maximum(matches, 0)[..., None], axis=1)
    own = ops.reshape(own, (*ops.shape(matches), keypoints.shape[2], 3))
    low, sides = boxes[..., None, :2], boxes[..., None, 2:] - boxes[..., None, :2]
    share = (own[..., :2] - low) / ops.maximum(sides, 1e-6)
    inside = ops.logical_and(ops.all(share >= 0.0, axis=-1), ops.all(share <= 1.0, axis=-1))
    seen = ops.logical_and(inside, own[..., 2] > 0.0)
    visible = ops.logical_and(seen, ops.greater_equal(matches, 0)[..., None])
    cells = ops.convert_to_tensor([size[1], size[0]], "float32")
    cell = ops.clip(ops.floor(share * cells), 0.0, cells - 1.0)
    index = ops.cast(cell[..., 1] * size[1] + cell[..., 0], "int32")
    return ops.where(visible, index, 0), visible
