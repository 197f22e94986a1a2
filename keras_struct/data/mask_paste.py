"""Masks of boxes, as a network gives them, to masks of the image."""

import numpy as np

THRESHOLD = 0.5


def paste_mask(mask: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Paste one mask into an image.

    The mask is sampled bilinearly at the centres of the image's pixels, its cells being centred
    at half numbers: pixel x lies at (x + 0.5 - x1) / (x2 - x1) * M - 0.5 of M cells. Beyond the
    outer cells it falls to 0.

    Args:
        mask: (M, M) float, probabilities inside the box, in [0, 1].
        box: (4,) xyxy, pixels of the image; parts outside of it are cut off.
        size: (height, width) of the image, pixels.

    Returns:
        (height, width) bool, where the probability is at least 0.5; empty where the box has no
        area.

    Source: Wu et al., detectron2, layers/mask_ops.py: `paste_masks_in_image`, which this equals.
    """
    pasted = np.zeros(size, bool)
    x1, y1, x2, y2 = np.asarray(box, "float64")
    if not (x2 > x1 and y2 > y1):
        return pasted
    top, rows = _samples(y1, y2, size[0], mask.shape[0])
    left, columns = _samples(x1, x2, size[1], mask.shape[1])
    values = rows @ np.asarray(mask, "float64") @ columns.T
    pasted[top : top + len(rows), left : left + len(columns)] = values >= THRESHOLD
    return pasted


def _samples(low, high, limit, cells):
    """First pixel, and the weights (pixels, cells) of every pixel the box touches."""
    first, last = max(0, int(np.floor(low))), min(limit, int(np.ceil(high)))
    pixels = np.arange(first, max(first, last))
    places = (pixels + 0.5 - low) / (high - low) * cells - 0.5
    return first, np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(cells)))
