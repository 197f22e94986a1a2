"""Bilinear region features: nothing is rounded."""

from keras_struct.ops.region_features.arguments import check_count
from keras_struct.ops.region_features.levels import (
    CANONICAL_LEVEL,
    CANONICAL_SIZE,
    Pyramid,
    cells_of,
)
from keras_struct.ops.region_features.sampling import bin_means, box_taps

# Points up to this far from the map, in cells, still read it.
_MARGIN = 0.5


def roi_align(
    levels,
    boxes,
    size=7,
    sampling=2,
    canonical_size=CANONICAL_SIZE,
    canonical_level=CANONICAL_LEVEL,
):
    """Average bilinear values at a fixed grid of points in each bin of each box.

    Bins divide the box evenly; the value at a point is interpolated between the centres of the
    four cells around it, and continued by up to half a cell beyond the map; further out it is 0.
    This is the "aligned" form: no width is enlarged or rounded. A box without area gives the value
    at its point in all bins. Gradients go to the features, not to the boxes.

    Args:
        levels: {"P2": (B, h, w, C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.
        size: int, n, bins along a side.
        sampling: int, points along a side of a bin.
        canonical_size: number, pixels; see `Pyramid`.
        canonical_level: int, the level that boxes of canonical_size squared read.

    Returns:
        (B, R, n, n, C) float32.

    Raises:
        ValueError: if an argument is not as said, or heights or widths are unknown.

    Source: He et al. 2017, arXiv:1703.06870, section 3; levels: Lin et al. 2017, arXiv:1612.03144,
    eq. 1; borders, and half a cell less than in the first releases, as in Detectron2.
    """
    pyramid = Pyramid(levels, boxes, canonical_size, canonical_level)
    return align(pyramid, check_count(size, "size"), check_count(sampling, "sampling"))


def align(pyramid, size: int, sampling: int, blocks: int = 1):
    """The features (B, R, n, n, C) of maps whose channels are `blocks` blocks of C."""
    placed = pyramid.place([cells_of(features) for features in pyramid.maps], blocks)
    down, across = box_taps(placed, pyramid.boxes, size * sampling, _MARGIN)
    return pyramid.regions(bin_means(placed, down, across, sampling, blocks), size)
