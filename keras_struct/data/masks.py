"""COCO segmentations to run lengths and pixels."""

import numpy as np

from keras_struct.data.annotations import BORDER_TOLERANCE
from keras_struct.data.errors import dataset_error
from keras_struct.ops import run_lengths


def to_runs(segmentations, boxes, size: tuple[int, int], file) -> list[dict]:
    """Run lengths of the segmentations of one image; see `keras_struct.ops.run_lengths`.

    Args:
        segmentations: list of (segmentation, field): polygons [[x, y, ...], ...] or a run length
            dict {"counts", "size"}, and the name of its field for messages.
        boxes: (N, 4) xyxy, pixels, the boxes of the same objects.
        size: (height, width) of the image, pixels.
        file: the annotation file, for messages.

    Returns:
        N run lengths. A polygon too small for a pixel has none inside.

    Raises:
        DatasetError: where a segmentation is malformed, or lies wholly outside its box.
    """
    runs = [_encode_one(value, size, file, field) for value, field in segmentations]
    extents = run_lengths.extents(runs)
    for (_, field), box, extent in zip(segmentations, boxes, extents, strict=True):
        seen = (extent[2:] > extent[:2]).all()
        apart = (extent[:2] - box[2:]).max() > BORDER_TOLERANCE
        apart |= (box[:2] - extent[2:]).max() > BORDER_TOLERANCE
        if seen and apart:
            raise dataset_error(
                file,
                field,
                f"must lie in the `bbox` of its object, xyxy {box.tolist()}. Received: a mask "
                f"within {extent.tolist()}",
                "Correct the one or the other.",
            )
    return runs


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


def _encode_one(segmentation, size, file, field):
    # COCO's own C code decides which pixels a polygon covers; this is its maintained copy.
    from faster_coco_eval.core import mask as coco_mask

    if isinstance(segmentation, dict):
        return run_lengths.compressed(_check_runs(segmentation, size, file, field))
    polygons = _check_polygons(segmentation, file, field)
    return coco_mask.merge(coco_mask.frPyObjects(polygons, *size))


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
    return runs


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
