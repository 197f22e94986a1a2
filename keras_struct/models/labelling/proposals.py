"""Class scores of an image from those of its parts."""

import numpy as np
from keras import ops

from keras_struct.ops.sizes import image_sides


def aggregate_proposals(logits, boxes, image_size):
    """Lay the class scores of proposals over the image and keep the greatest of each class.

    Each map is stretched to its box, which is rounded to whole pixels, and is zero outside of it.

    Args:
        logits: (N, h, w, C) float32, what a network gives for each proposal, cut out and resized.
        boxes: (N, 4) xyxy, pixels of the image; they may reach beyond it.
        image_size: int or (height, width), pixels.

    Returns:
        (H, W, C) float32 NumPy array: the maximum over the proposals, and zero where none lies.

    Raises:
        ValueError: if there are not as many boxes as maps, or a box is smaller than a pixel.

    Source: Noh et al. 2015, arXiv:1505.04366, section 4.3, eq. 1.
    """
    height, width = image_sides(image_size)
    corners = np.round(np.asarray(boxes, "float64")).astype(int).reshape(-1, 4)
    if len(corners) != len(logits) or (corners[:, 2:] <= corners[:, :2]).any():
        raise ValueError(
            "`boxes` must hold one box of at least a pixel for each of the logits. "
            f"Received: {len(corners)} boxes for {len(logits)} maps: {corners[:3].tolist()}..."
        )
    maps = np.zeros((len(corners), height, width, logits.shape[-1]), "float32")
    for canvas, scores, (left, top, right, bottom) in zip(maps, logits, corners, strict=True):
        stretched = ops.image.resize(scores, (bottom - top, right - left), "bilinear")
        y = np.arange(max(top, 0), min(bottom, height))
        x = np.arange(max(left, 0), min(right, width))
        canvas[np.ix_(y, x)] = ops.convert_to_numpy(stretched)[np.ix_(y - top, x - left)]
    return maps.max(axis=0) if len(maps) else maps.sum(axis=0)
