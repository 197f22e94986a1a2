"""Max pooling of boxes at several sizes of bins."""

from keras import ops

from keras_struct.ops.region_features.arguments import check_count
from keras_struct.ops.region_features.levels import CANONICAL_LEVEL, CANONICAL_SIZE
from keras_struct.ops.region_features.roi_pool import roi_pool


def spatial_pyramid_pooling(
    levels,
    boxes,
    bins=(6, 3, 2, 1),
    canonical_size=CANONICAL_SIZE,
    canonical_level=CANONICAL_LEVEL,
):
    """Join `roi_pool`s of several sizes: as many numbers for a box of any size.

    Args:
        levels: {"P2": (B, h, w, C), ...}, stride 2**number; one is enough.
        boxes: (B, R, 4) float32, xyxy, pixels of the network's input image.
        bins: ints, bins along a side of each part.
        canonical_size: number, pixels; see `Pyramid`.
        canonical_level: int, the level that boxes of canonical_size squared read.

    Returns:
        (B, R, sum(n * n) * C) float32: for each of `bins` in order, rows, columns, channels.

    Raises:
        ValueError: if an argument is not as said, or heights or widths are unknown.

    Source: He et al. 2014, arXiv:1406.4729, sections 2.2 and 4.1 (6, 3, 2 and 1). Its windows are
    the same but for the rounding of the box, which here is `roi_pool`'s.
    """
    finest, pooled = max(check_bins(bins)), {}
    for count in sorted(set(bins), reverse=True):
        if finest % count or count == finest:
            pooled[count] = roi_pool(levels, boxes, count, canonical_size, canonical_level)
        else:
            # The cells of a coarse bin are those of the fine bins in it.
            pooled[count] = _merged(pooled[finest], finest // count)
    regions = ops.shape(boxes)[1]
    channels = pooled[finest].shape[-1]
    parts = [ops.reshape(pooled[n], (-1, regions, n * n * channels)) for n in bins]
    return ops.concatenate(parts, axis=-1)


def check_bins(bins) -> tuple[int, ...]:
    """Return `bins` as a tuple of counts.

    Raises:
        ValueError: if there are none, or one is not an integer of at least 1.
    """
    if not isinstance(bins, tuple | list) or not bins:
        raise ValueError(
            "`bins` must be numbers of bins along a side, at least one. "
            f"Received: bins={bins!r}. Give a tuple, such as (6, 3, 2, 1)."
        )
    return tuple(check_count(count, "bins") for count in bins)


def _merged(values, step):
    """Maxima of step x step bins of (B, R, n, n, C)."""
    _, regions, size, _, channels = ops.shape(values)
    cells = ops.reshape(values, (-1, size, size, channels))
    cells = ops.max_pool(cells, step, step)
    return ops.reshape(cells, (-1, regions, size // step, size // step, channels))
