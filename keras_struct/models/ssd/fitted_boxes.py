"""Default boxes fitted to a data set: k-means on box sizes with 1 - IoU as distance."""

import numpy as np

_MAX_ITERATIONS = 300
_FINEST, _COARSEST = 3, 7
_SIZE_OVER_STRIDE = 4.0


def fit_default_boxes(sizes, counts=None, num_sizes=12, seed=0, num_starts=10, labels=None):
    """Cluster the sizes of a data set's boxes and give each to a level of the pyramid.

    A box of four strides suits a level: several of its cells then see the object well, and it is
    large against their distance. Sizes go to the level for which they come nearest to that.

    Args:
        sizes: (N, 2) widths and heights in pixels of the network's input image.
        counts: {"P3": boxes per cell, ...}, finest level first, to give the levels that many
            instead, the smaller to the finer; None for levels by size.
        num_sizes: int, clusters where `counts` is None.
        seed: int, of the k-means++ starts.
        num_starts: int, starts of which the best result is kept.
        labels: (N,) integers, classes of the boxes, to let all classes weigh alike; None lets all
            boxes weigh alike, so that a frequent class takes most of the sizes.

    Returns:
        ({"P3": ((width, height), ...), ...}, mean_iou): the sizes for `SSD(default_boxes=...)` and
        the mean over boxes (with `labels`: over classes) of the IoU with the best size, both
        centred alike.

    Raises:
        ValueError: if `sizes` is not (N, 2), positive, with at least as many rows as clusters, or
            `labels` has another length.

    Source: Redmon and Farhadi 2017 (YOLO9000), arXiv:1612.08242, section 2, dimension clusters;
    Lin et al. 2017, arXiv:1612.03144, section 4.1 (sizes of four strides).
    """
    count = sum(counts.values()) if counts else num_sizes
    sizes = _check_sizes(np.asarray(sizes, "float64"), count)
    if labels is not None:
        sizes = _balanced(sizes, np.asarray(labels))
    generator = np.random.default_rng(seed)
    trials = [_cluster(sizes, count, generator) for _ in range(num_starts)]
    centres = max(trials, key=lambda centres: size_iou(sizes, centres).max(axis=1).mean())
    centres = centres[np.argsort(centres.prod(axis=1))]
    mean_iou = float(size_iou(sizes, centres).max(axis=1).mean())
    levels = {}
    for centre, level in zip(centres, _levels(centres, counts), strict=True):
        size = tuple(float(side) for side in np.round(centre, 1))
        levels[level] = (*levels.get(level, ()), size)
    return levels, mean_iou


def _levels(centres, counts):
    """The level of each of the centres, which are sorted by area."""
    if counts:
        return [level for level, count in counts.items() for _ in range(count)]
    strides = np.sqrt(centres.prod(axis=1)) / _SIZE_OVER_STRIDE
    return [
        f"P{level}" for level in np.clip(np.round(np.log2(strides)), _FINEST, _COARSEST).astype(int)
    ]


def size_iou(sizes, others):
    """IoU (N, M) of boxes with widths and heights (N, 2) and (M, 2) that share their centre."""
    overlap = np.minimum(sizes[:, None], others[None]).prod(axis=-1)
    return overlap / (sizes.prod(axis=-1)[:, None] + others.prod(axis=-1)[None] - overlap)


def _cluster(sizes, count, generator):
    """k-means from one start: (count, 2) medians, unordered."""
    centres = _start(sizes, count, generator)
    nearest = None
    for _ in range(_MAX_ITERATIONS):
        previous, nearest = nearest, np.argmax(size_iou(sizes, centres), axis=1)
        if previous is not None and np.array_equal(previous, nearest):
            break
        for index in range(count):
            members = sizes[nearest == index]
            if len(members):
                centres[index] = np.median(members, axis=0)
    return centres


def _start(sizes, count, generator):
    """k-means++: each next centre is drawn by its distance from those before."""
    centres = sizes[generator.integers(len(sizes))][None]
    while len(centres) < count:
        distance = 1.0 - size_iou(sizes, centres).max(axis=1)
        weight = distance**2 + 1e-9  # all boxes alike: any will do
        centres = np.vstack([centres, sizes[generator.choice(len(sizes), p=weight / weight.sum())]])
    return centres


def _balanced(sizes, labels):
    """`sizes` with those of rarer classes repeated until all classes are as frequent."""
    if labels.shape != (len(sizes),):
        raise ValueError(
            f"`labels` must have one class for each of the {len(sizes)} boxes. "
            f"Received: shape {labels.shape}."
        )
    classes, counts = np.unique(labels, return_counts=True)
    return np.concatenate([np.resize(sizes[labels == c], (counts.max(), 2)) for c in classes])


def _check_sizes(sizes, count):
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not np.all(sizes > 0):
        raise ValueError(
            f"`sizes` must be (N, 2) positive widths and heights. Received: shape {sizes.shape}."
        )
    if len(sizes) < count:
        raise ValueError(
            f"`sizes` must hold at least as many boxes as clusters. Received: {len(sizes)} boxes "
            f"for {count} clusters. Ask for fewer boxes per level (`counts`)."
        )
    return sizes
