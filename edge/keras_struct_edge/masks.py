"""Masks of objects: pasted into the image, and as COCO's run lengths."""

import numpy as np

THRESHOLD = 0.5


def paste_masks(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Paste masks into an image; only the pixels of each box are computed.

    A mask is sampled bilinearly at the centres of the image's pixels, its cells being centred at
    half numbers: pixel x lies at (x + 0.5 - x1) / (x2 - x1) * M - 0.5 of M cells. Beyond the outer
    cells it falls to 0.

    Args:
        masks: (N, M, M) float, probabilities inside the boxes, in [0, 1].
        boxes: (N, 4) xyxy, pixels of the image; parts outside of it are cut off.
        size: (height, width) of the image, pixels.

    Returns:
        (N, height, width) bool, where the probability is at least 0.5; nowhere for a box without
        area.

    Source: Wu et al., detectron2, layers/mask_ops.py: `paste_masks_in_image`.
    """
    pasted = np.zeros((len(masks), *size), bool)
    for image, mask, box in zip(pasted, masks, np.asarray(boxes, np.float64), strict=True):
        x1, y1, x2, y2 = box
        if not (x2 > x1 and y2 > y1):
            continue
        top, rows = _samples(y1, y2, size[0], mask.shape[0])
        left, columns = _samples(x1, x2, size[1], mask.shape[1])
        values = rows @ mask.astype(np.float64) @ columns.T
        image[top : top + len(rows), left : left + len(columns)] = values >= THRESHOLD
    return pasted


def _samples(low, high, limit, cells):
    """First pixel, and the weights (pixels, cells) of every pixel the box touches."""
    first, last = max(0, int(np.floor(low))), min(limit, int(np.ceil(high)))
    pixels = np.arange(first, max(first, last))
    places = (pixels + 0.5 - low) / (high - low) * cells - 0.5
    return first, np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(cells)))


def encode_mask(mask: np.ndarray) -> dict:
    """A mask (H, W) as COCO's run lengths: {"size": [H, W], "counts": compressed text}.

    Counts are pixels outside, inside, outside, ... column by column.
    """
    mask = np.asarray(mask, bool)
    height, width = mask.shape
    used = np.flatnonzero(mask.any(axis=0))
    first, last = (used[0], used[-1] + 1) if used.size else (0, 0)
    # only the columns of the object are turned and searched: it is small in most images
    flat = np.concatenate(([False], mask[:, first:last].T.ravel(), [False]))
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + first * height
    edges = edges[edges < height * width]  # an object in the last pixel has no run behind it
    counts = np.diff(np.concatenate(([0], edges, [height * width])))
    return {"size": [height, width], "counts": _packed(counts.tolist())}


def decode_mask(runs: dict) -> np.ndarray:
    """Undo `encode_mask`: (H, W) bool; the counts may be numbers as well.

    Raises:
        ValueError: if the counts do not add up to the size.
    """
    height, width = runs["size"]
    counts = runs["counts"]
    counts = _unpacked(counts) if isinstance(counts, str) else list(counts)
    if any(count < 0 for count in counts) or sum(counts) != height * width:
        raise ValueError(
            f"`counts` must be at least 0 and add up to height x width = {height * width} pixels. "
            f"Received: {sum(counts)} pixels in {len(counts)} runs. The file may be cut short."
        )
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape((height, width), order="F")


def _packed(counts):
    """Numbers as text: five bits a letter, from the fourth on the difference to the last but one.

    Source: COCO's maskApi.c, rleToString.
    """
    text = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits, value = value & 31, value >> 5
            # the fifth bit says the sign: done once the rest is nothing but that sign
            more = value != (-1 if bits & 16 else 0)
            text.append(chr(48 + (bits | 32 if more else bits)))
    return "".join(text)


def _unpacked(text):
    counts, value, shift = [], 0, 0
    for letter in text:
        code = ord(letter) - 48
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
