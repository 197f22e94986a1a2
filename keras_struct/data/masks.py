"""COCO segmentations to pixels."""

import numpy as np

from keras_struct.data.errors import dataset_error


def rasterise(segmentations, size: tuple[int, int], file) -> np.ndarray:
    """Draw the segmentations of one image.

    Args:
        segmentations: list of (segmentation, field): polygons [[x, y, ...], ...] or a run length
            dict {"counts", "size"}, and the name of its field for messages.
        size: (height, width) of the image, pixels.
        file: the annotation file, for messages.

    Returns:
        (N, H, W) uint8, 1 inside.

    Raises:
        DatasetError: where a segmentation is malformed.
    """
    masks = [_rasterise_one(value, size, file, field) for value, field in segmentations]
    return np.stack(masks) if masks else np.zeros((0, *size), "uint8")


def paint_labels(masks, labels, crowd) -> np.ndarray:
    """Label map of objects: 0 for the background, label + 1 for an object.

    Pixels of crowds, and those that objects of different labels share, are 255, to be ignored.

    Args:
        masks: (N, H, W) uint8, 1 inside.
        labels: (N,) int, at most 253.
        crowd: (N,) bool.

    Returns:
        (H, W, 1) uint8.
    """
    values = np.where(crowd, 255, np.asarray(labels, "int64") + 1).astype("uint8")
    low, high = np.full(masks.shape[1:], 255, "uint8"), np.zeros(masks.shape[1:], "uint8")
    for mask, value in zip(masks, values, strict=True):
        np.minimum(low, value, out=low, where=mask > 0)
        np.maximum(high, value, out=high, where=mask > 0)
    return np.where((high == 0) | (low == high), high, 255).astype("uint8")[..., None]


def _rasterise_one(segmentation, size, file, field):
    # COCO's own C code decides which pixels a polygon covers; this is its maintained copy.
    from faster_coco_eval.core import mask as coco_mask

    if isinstance(segmentation, dict):
        runs = _check_runs(segmentation, size, file, field)
    else:
        runs = _check_polygons(segmentation, file, field)
    encoded = coco_mask.frPyObjects(runs, *size) if _is_plain(runs) else runs
    if isinstance(encoded, list):
        encoded = coco_mask.merge(encoded)
    return coco_mask.decode(encoded)


def _is_plain(runs):
    return isinstance(runs, list) or isinstance(runs["counts"], list)


def _check_polygons(polygons, file, field):
    def sound(polygon):
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            return False
        return all(isinstance(value, int | float) for value in polygon) and bool(
            np.isfinite(np.array(polygon, "float64")).all()
        )

    if not isinstance(polygons, list) or not polygons or not all(sound(p) for p in polygons):
        raise dataset_error(file, field, "must be polygons of at least three finite points")
    return polygons


def _check_runs(runs, size, file, field):
    counts = runs.get("counts")
    if runs.get("size") != list(size):
        raise dataset_error(
            file, field, f"must have the image's size {list(size)}. Received: {runs.get('size')}"
        )
    if isinstance(counts, list):
        whole = all(isinstance(count, int) and count >= 0 for count in counts)
        if not whole or sum(counts) != size[0] * size[1]:
            raise dataset_error(file, field, "must have counts >= 0 that add up to its pixels")
        return runs
    if not isinstance(counts, str) or _decoded_length(counts) != size[0] * size[1]:
        raise dataset_error(file, field, "must have counts that add up to its pixels")
    return {**runs, "counts": counts.encode("ascii")}


def _decoded_length(text):
    """Pixels that COCO's compressed counts cover; the C decoder trusts them blindly."""
    counts, position = [], 0
    while position < len(text):
        value = shift = 0
        more = True
        while more:
            if position == len(text) or not 48 <= ord(text[position]) < 112:
                return -1
            code = ord(text[position]) - 48
            value |= (code & 0x1F) << shift
            more = bool(code & 0x20)
            position, shift = position + 1, shift + 5
            if not more and code & 0x10:
                value |= -1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        if counts[-1] < 0:
            return -1
    return sum(counts)
