"""Pieces of the image itself, brought to one size."""

import numpy as np
from keras import ops

from keras_struct.ops.region_features.arguments import check_count
from keras_struct.ops.region_features.levels import Pyramid, cells_of
from keras_struct.ops.region_features.sampling import bin_means, box_taps

MEAN_COLOUR = (123.68, 116.779, 103.939)


def region_warp(levels, boxes, size=224, context=16, fill=MEAN_COLOUR):
    """Cut boxes with some context out of images and stretch them to a square.

    The box is enlarged about its centre so that `context` pixels of the result on each side lie
    around it. Values are bilinear at the middles of the result's pixels; those outside the image
    are `fill`.

    Args:
        levels: {"P0": images (B, H, W, C)}.
        boxes: (B, R, 4) float32, xyxy, pixels of the images.
        size: int, n, pixels of a side of the result.
        context: int, pixels of the result around the box.
        fill: number, or C numbers: the mean colour, of red, green and blue by default.

    Returns:
        (B, R, n, n, C) float32. A box without area gives the colour at its point.

    Raises:
        ValueError: if an argument is not as said, or heights or widths are unknown.

    Source: Girshick et al. 2014, arXiv:1311.2524, appendix A (warping, p = 16).
    """
    check_warp(size, context)
    pyramid = Pyramid(levels, boxes)
    fill = check_fill(fill, pyramid.maps[0].shape[-1])
    placed = pyramid.place([cells_of(features) for features in pyramid.maps])
    corner, opposite = pyramid.boxes[..., :2], pyramid.boxes[..., 2:]
    frame = ops.maximum(opposite - corner, 0.0) * (context / (size - 2 * context))
    enlarged = ops.concatenate([corner - frame, opposite + frame], axis=-1)
    down, across = box_taps(placed, enlarged, size, margin=0.0)
    inside = down.inside[..., None] * across.inside[:, :, None]
    outside = ops.reshape(1.0 - inside, (-1, 1))
    return pyramid.regions(bin_means(placed, down, across, 1) + outside * fill, size)


def check_warp(size, context):
    """Check the sides of the result and of the box in it.

    Raises:
        ValueError: if there is no room for the box.
    """
    check_count(size, "size")
    if type(context) is not int or not 0 <= 2 * context < size:
        raise ValueError(
            "`context` must be an integer of at least 0, less than half of `size`. "
            f"Received: context={context!r}, size={size}. Leave room for the box."
        )


def check_fill(fill, channels=None):
    """Return `fill` as (1,) or (C,) float32.

    Raises:
        ValueError: if it is not a number or, where `channels` is known, that many numbers.
    """
    values = list(fill) if isinstance(fill, tuple | list) else [fill]
    numbers = all(isinstance(value, int | float) for value in values)
    if not numbers or (channels is not None and len(values) not in (1, channels)):
        raise ValueError(
            f"`fill` must be a number, or one for each of {channels or 'the'} channels. "
            f"Received: fill={fill!r}. Give the mean colour of the images."
        )
    return np.asarray(values, "float32")
