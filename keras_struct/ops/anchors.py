"""Boxes of given sizes laid on the cells of feature maps."""

import math

import numpy as np

from keras_struct.ops.sizes import image_sides


def anchor_sizes(levels, scales, ratios=(0.5, 1.0, 2.0)):
    """Widths and heights of anchors whose areas follow the strides of the levels.

    Args:
        levels: names such as "P4"; the stride is 2 to the number.
        scales: floats, sides of the square anchors over the stride: (8, 16, 32) at "P4" are the
            128, 256 and 512 pixels of Faster R-CNN; (8,) at "P2" to "P6" the 32 to 512 of FPN.
        ratios: floats, height over width, at the same area.

    Returns:
        {"P4": ((width, height), ...), ...} in pixels: for every ratio, all scales.

    Source: Ren et al. 2015, arXiv:1506.01497, section 3.3; Lin et al. 2017, arXiv:1612.03144,
    section 4.1.
    """

    def size(level, scale, ratio):
        side, root = 2 ** int(level[1:]) * scale, math.sqrt(ratio)
        return side / root, side * root

    return {
        level: tuple(size(level, scale, ratio) for ratio in ratios for scale in scales)
        for level in levels
    }


def grid_anchors(sizes, cells, image_size, steps=None):
    """Lay boxes of given sizes on the cells of every level.

    Args:
        sizes: {"P3": ((width, height), ...), ...} in pixels.
        cells: {"P3": (rows, columns), ...} of the feature maps.
        image_size: int or (height, width), pixels of the input image.
        steps: {"P3": pixels between centres, ...}, or None for image_size / cells.

    Returns:
        (A, 4) float32, xyxy, pixels, not clipped. Order: level, row, column, size.
    """
    sides = image_sides(image_size)
    return np.concatenate(
        [_on_level(sizes[level], cells[level], sides, (steps or {}).get(level)) for level in sizes]
    )


def _on_level(sizes, cells, sides, step):
    y, x = (
        (np.arange(count) + 0.5) * (step or side / count)
        for count, side in zip(cells, sides, strict=True)
    )
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
    half = np.asarray(sizes, "float64")[None] / 2
    return np.concatenate([centres - half, centres + half], -1).reshape(-1, 4).astype("float32")
