"""Max pooling of the cells that the bins of a box touch."""

from keras import ops

from keras_struct.ops.region_features.arguments import check_count
from keras_struct.ops.region_features.levels import CANONICAL_LEVEL, CANONICAL_SIZE, Pyramid
from keras_struct.ops.region_features.quantized import longest_bin, on_map, touched_cells
from keras_struct.ops.region_features.range_maxima import (
    powers_for,
    rectangle_maxima,
    window_maxima,
)


def roi_pool(levels, boxes, size=7, canonical_size=CANONICAL_SIZE, canonical_level=CANONICAL_LEVEL):
    """The largest value in each bin of each box.

    The edges of a box are rounded to whole cells, to the nearest (halves up); its part on the map,
    at least one cell, is divided evenly, and a bin takes all cells that it touches, so that
    neighbours may share some. A box beyond the map gives 0. Gradients go to the cells that are
    largest, not to the boxes.

    Args:
        levels: {"P2": (B, h, w, C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.
        size: int, n, bins along a side.
        canonical_size: number, pixels; see `Pyramid`.
        canonical_level: int, the level that boxes of canonical_size squared read.

    Returns:
        (B, R, n, n, C) float32.

    Raises:
        ValueError: if an argument is not as said, or heights or widths are unknown.

    Source: Girshick 2015, arXiv:1504.08083, section 2.1, and the authors' roi_pooling_layer.cpp
    without its + 1, since our edges are continuous. It does not clip boxes: its callers do.
    """
    check_count(size, "size")
    pyramid = Pyramid(levels, boxes, canonical_size, canonical_level)
    powers = [[powers_for(longest_bin(side, size)) for side in sides] for sides in pyramid.sides]
    tables = [
        window_maxima(features, *both) for features, both in zip(pyramid.maps, powers, strict=True)
    ]
    placed = pyramid.place(tables)
    edges = ops.floor(pyramid.boxes / ops.cast(placed.stride, "float32") + 0.5)
    left, top, right, bottom = ops.split(edges, 4, axis=-1)
    rows, columns = (
        touched_cells(*on_map(start, end, cells), cells, size)
        for start, end, cells in ((top, bottom, placed.height), (left, right, placed.width))
    )
    column_powers = pyramid.of_box([across for _, across in powers])
    maxima = rectangle_maxima(placed, rows, columns, max(map(max, powers)), column_powers)
    return pyramid.regions(maxima, size)
