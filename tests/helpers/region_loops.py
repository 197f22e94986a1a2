"""Region features by plain loops in float64, straight from their definitions.

Maps are (h, w, C), a box is 4 numbers in pixels, `stride` the pixels of a cell.
"""

from math import ceil, floor

import numpy as np


def bilinear(features, y, x, margin):
    """The value at a point in cells, where the centre of cell (0, 0) is (0.5, 0.5); or None."""
    height, width, _ = features.shape
    if not (-margin <= y <= height + margin and -margin <= x <= width + margin):
        return None
    y, x = min(max(y - 0.5, 0), height - 1), min(max(x - 0.5, 0), width - 1)
    value = 0.0
    for row in (floor(y), floor(y) + 1):
        for column in (floor(x), floor(x) + 1):
            weight = max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column))
            if weight > 0:
                value = value + weight * features[row, column]
    return value


def roi_align(features, box, stride, size, sampling, blocks=False):
    x1, y1, x2, y2 = np.float64(box) / stride
    channels = features.shape[2] // size**2 if blocks else features.shape[2]
    result = np.zeros((size, size, channels))
    for i, j in np.ndindex(size, size):
        part = block(features, i, j, size) if blocks else features
        for p, q in np.ndindex(sampling, sampling):
            y = y1 + (y2 - y1) / size * (i + (p + 0.5) / sampling)
            x = x1 + (x2 - x1) / size * (j + (q + 0.5) / sampling)
            value = bilinear(part, y, x, margin=0.5)
            result[i, j] += 0 if value is None else value / sampling**2
    return result


def block(features, i, j, size):
    channels = features.shape[2] // size**2
    start = (i * size + j) * channels
    return features[:, :, start : start + channels]


def rounded(x):
    return floor(x + 0.5)


def roi_pool(features, box, stride, size):
    height, width, channels = features.shape
    (top, bottom), (left, right) = (
        part_on_map(rounded(box[k] / stride), rounded(box[k + 2] / stride), cells)
        for k, cells in ((1, height), (0, width))
    )
    result = np.zeros((size, size, channels))
    for i, j in np.ndindex(size, size):
        rows = top + floor(i * (bottom - top) / size), top + ceil((i + 1) * (bottom - top) / size)
        columns = (
            left + floor(j * (right - left) / size),
            left + ceil((j + 1) * (right - left) / size),
        )
        cells = features[slice(*rows), slice(*columns)]
        if cells.size:
            result[i, j] = cells.max(axis=(0, 1))
    return result


def part_on_map(start, end, cells):
    """At least one cell, cut at the borders; no cell where all lies beyond them."""
    end = max(end, start + 1)
    start, end = max(start, 0), min(end, cells)
    return (start, end) if start < end else (0, 0)


def spatial_pyramid_pooling(features, box, stride, bins):
    return np.concatenate([roi_pool(features, box, stride, count).ravel() for count in bins])


def position_sensitive_roi_pool(features, box, stride, size):
    height, width, channels = features.shape
    x1, y1, x2, y2 = (rounded(edge) for edge in box)
    x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    result = np.zeros((size, size, channels // size**2))
    for i, j in np.ndindex(size, size):
        top, bottom = edges(y1, y2, i, size, stride, height)
        left, right = edges(x1, x2, j, size, stride, width)
        if top < bottom and left < right:
            cells = block(features, i, j, size)[top:bottom, left:right]
            result[i, j] = cells.mean(axis=(0, 1))
    return result


def edges(start, end, number, size, stride, cells):
    """Cells that a bin touches, in whole numbers."""
    unit, length = size * stride, end - start
    low = (start * size + number * length) // unit
    high = -(-(start * size + (number + 1) * length) // unit)
    return min(max(low, 0), cells), min(max(high, 0), cells)


def region_warp(image, box, size, context, fill):
    x1, y1, x2, y2 = np.float64(box)
    scale = size / (size - 2 * context)
    width, height = (x2 - x1) * scale, (y2 - y1) * scale
    left, top = (x1 + x2 - width) / 2, (y1 + y2 - height) / 2
    result = np.zeros((size, size, image.shape[2]))
    for i, j in np.ndindex(size, size):
        y, x = top + height * (i + 0.5) / size, left + width * (j + 0.5) / size
        value = bilinear(image, y, x, margin=0)
        result[i, j] = fill if value is None else value
    return result


def every_region(function, features, boxes, *arguments):
    """A function above for maps (B, h, w, C) and boxes (B, R, 4)."""
    pairs = zip(np.float64(features), boxes, strict=True)
    return np.stack(
        [np.stack([function(one, box, *arguments) for box in some]) for one, some in pairs]
    )
