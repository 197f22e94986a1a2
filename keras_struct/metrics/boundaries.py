"""Boundaries of label maps: where they run, and which of them are close to others."""

import numpy as np

from keras_struct.ops.labels import IGNORED


def fill_ignored(labels: np.ndarray, steps: int) -> np.ndarray:
    """Give ignored pixels the label of the nearest pixel that has one, `steps` pixels far.

    Annotators leave outlines unlabelled: filled from both sides, they meet where the outline is.
    Distances are steps left, right, up and down; of equals the first of down, up, right, left wins.

    Args:
        labels: (H, W) int, 255 is ignored.
        steps: int, pixels.

    Returns:
        (H, W) int64, 255 where no label is near.
    """
    labels = labels.astype("int64")
    for _ in range(steps):
        if not (labels == IGNORED).any():
            break
        before = labels.copy()
        for to, source in _neighbours():
            target, near = labels[to], before[source]
            target[...] = np.where(target == IGNORED, near, target)
    return labels


def boundary_pixels(labels: np.ndarray) -> np.ndarray:
    """(H, W) bool, pixels with a neighbour (left, right, up or down) of another class.

    Both sides of a boundary are pixels of it, each one of its own class. Ignored pixels, 255, are
    neither, and the edge of the image is no boundary.
    """
    found = np.zeros(labels.shape, bool)
    for to, source in _neighbours():
        found[to] |= (labels[to] != labels[source]) & (labels[source] != IGNORED)
    return found & (labels != IGNORED)


def dilate(values: np.ndarray, radius: float) -> np.ndarray:
    """Bitwise or over a disk: each bit spreads to all pixels at most `radius` away.

    Args:
        values: (H, W) bool or unsigned int, a set of bits a pixel.
        radius: float, pixels, from centre to centre.

    Returns:
        (H, W) of the same dtype.
    """
    result, row, reach = values.copy(), values.copy(), 0
    far = int(radius)
    # rows of the disk from its rim, where they are short: each one grows out of the one before
    for distance in range(far, -1, -1):
        half = int(np.sqrt(radius**2 - distance**2))
        for step in range(reach + 1, half + 1):
            row[:, step:] |= values[:, :-step]
            row[:, :-step] |= values[:, step:]
        reach = half
        if distance < len(values):
            result[distance:] |= row[: len(row) - distance]
            result[: len(row) - distance] |= row[distance:]
    return result


def match_boundaries(
    labels: np.ndarray, others: np.ndarray, radius: float, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """How many boundary pixels of each class have one of their class nearby in another map.

    Args:
        labels: (H, W) int, 255 is ignored.
        others: (H, W) int, 255 is ignored.
        radius: float, pixels.
        num_classes: int.

    Returns:
        pixels: (C,) int64, boundary pixels of `labels`.
        matched: (C,) int64, those of them with a boundary pixel of `others` within `radius`.
    """
    edges, other_edges = boundary_pixels(labels), boundary_pixels(others)
    classes = labels[edges]
    near = np.zeros(len(classes), bool)
    # a bit for each class, so that one dilation serves as many as an integer has bits
    for first in range(0, num_classes, 64):
        count = min(64, num_classes - first)
        kind = np.dtype(f"uint{max(8, 1 << (count - 1).bit_length())}")
        bits = np.zeros(labels.shape, kind)
        here = other_edges & (others >= first) & (others < first + count)
        bits[here] = np.uint64(1) << (others[here] - first).astype("uint64")
        spread = dilate(bits, radius)[edges].astype("uint64")
        mine = (classes >= first) & (classes < first + count)
        shift = (classes[mine] - first).astype("uint64")
        near[mine] = (spread[mine] >> shift) & np.uint64(1) > 0
    count = lambda values: np.bincount(values, minlength=num_classes)  # noqa: E731
    return count(classes), count(classes[near])


def _neighbours():
    """(part, the same part seen by its neighbour) for the four directions."""
    all_, head, tail = slice(None), slice(None, -1), slice(1, None)
    down, right = ((tail, all_), (head, all_)), ((all_, tail), (all_, head))
    return (down, down[::-1], right, right[::-1])
