"""How much each pixel counts, so that a network learns the gaps between cells."""

import numpy as np

from keras_struct.ops.labels import IGNORED

_REACH = 6  # in sigma; the term is below 2e-8 of its peak beyond


def border_weights(
    labels: np.ndarray, w0: float = 10.0, sigma: float = 5.0, regions: bool = False
) -> np.ndarray:
    """Weigh classes against their frequency, and up what lies between cells that are close.

    w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2)), with the distances d1 and d2 to the
    borders of the nearest and the second nearest cell. w_c gives all classes the same sum, and the
    image the mean 1. Needs SciPy.

    Args:
        labels: (H, W) int. Numbers of cells, 0 between them: the classes are cell and background.
            With `regions`, a label map: every connected region of a class above 0 is a cell, and
            pixels of label 255, to be ignored, weigh 0.
        w0: float >= 0, weight between cells that touch.
        sigma: float > 0, pixels.
        regions: bool, see `labels`.

    Returns:
        (H, W) float32; as (B, H, W, 1) in the targets' "pixel_weights" it goes into the loss.

    Raises:
        ValueError: for labels of another shape or type, or a number out of its range.
        ImportError: without SciPy.

    Example:
        def weigh(masks):
            return np.stack([border_weights(m[..., 0], regions=True) for m in masks])[..., None]

        def add_weights(images, targets):
            masks = targets["segmentation_masks"]
            weights = tf.numpy_function(weigh, [masks], tf.float32)
            return images, {**targets, "pixel_weights": tf.ensure_shape(weights, masks.shape)}

        batches = dataset.batches(8, 572).map(add_weights)

    Source: Ronneberger et al. 2015, arXiv:1505.04597, equation 2.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(
            "`labels` must be (height, width) integers. "
            f"Received: shape={labels.shape}, dtype={labels.dtype}."
        )
    if not w0 >= 0 or not sigma > 0:
        raise ValueError(
            f"`w0` must be at least 0 and `sigma` above 0. Received: w0={w0!r}, sigma={sigma!r}."
        )
    ndimage = _ndimage()
    counted = labels != IGNORED if regions else np.ones(labels.shape, bool)
    cells = _regions(labels, ndimage) if regions else labels
    reach = int(np.ceil(_REACH * sigma))
    first, second = np.full((2, *labels.shape), np.inf)
    for number in np.unique(cells[cells > 0]):
        near = _window(cells == number, reach)
        distance = _to_border(cells[near] == number, ndimage)
        second[near] = np.minimum(second[near], np.maximum(first[near], distance))
        first[near] = np.minimum(first[near], distance)
    between = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    balance = _class_balance(labels if regions else labels > 0, counted)
    return np.where(counted, balance + between, 0).astype("float32")


def _regions(labels, ndimage):
    """Connected regions of one class, numbered from 1; 0 elsewhere."""
    cells, found = np.zeros(labels.shape, "int64"), 0
    for label in np.unique(labels[(labels > 0) & (labels != IGNORED)]):
        numbers, count = ndimage.label(labels == label)
        cells += np.where(numbers > 0, numbers + found, 0)
        found += count
    return cells


def _window(mask, reach):
    """Rows and columns of a mask and of what lies within `reach` pixels of it."""
    window = []
    for axis in (1, 0):
        places = np.flatnonzero(mask.any(axis))
        window.append(slice(max(0, places[0] - reach), places[-1] + reach + 1))
    return tuple(window)


def _to_border(mask, ndimage):
    """Distance, pixels, of every pixel to the nearest one across the border of a mask."""
    if mask.all():  # a cell as large as the image has no border in it
        return np.full(mask.shape, np.inf)
    inside, outside = (ndimage.distance_transform_edt(part) for part in (mask, ~mask))
    return inside + outside


def _class_balance(classes, counted):
    present, position, counts = np.unique(classes[counted], return_inverse=True, return_counts=True)
    weights = np.zeros(classes.shape)
    weights[counted] = (counted.sum() / (len(present) * np.maximum(counts, 1)))[position]
    return weights


def _ndimage():
    try:
        from scipy import ndimage
    except ImportError as error:
        raise ImportError(
            "`border_weights` needs SciPy. Install it with `pip install scipy`."
        ) from error
    return ndimage
