"""How often the classes of a data set occur, in pixels."""

from collections.abc import Callable

import numpy as np

from keras_struct.data.dataset import Dataset


def class_frequencies(
    dataset: Dataset, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Count the pixels of every class in the label maps of a data set.

    `np.sqrt(counts.max() / np.maximum(counts, 1))` weighs rare classes up in a loss without
    letting them dominate it.

    Args:
        dataset: a `Dataset` with label maps; of objects, `dataset.for_task("segmentation")`.
        progress: function of (images done, images in all), or None.

    Returns:
        (C,) int64 pixels, in label order; ignored pixels are left out.

    Raises:
        ValueError: where the data set has no label maps, or their values are not its classes.
        DatasetError: where a label map cannot be read.
    """
    dataset = dataset.for_task("segmentation")
    counts = np.zeros(256, "int64")
    for index in range(len(dataset)):
        counts += np.bincount(dataset.label_map(index).ravel(), minlength=256)
        if progress is not None:
            progress(index + 1, len(dataset))
    return counts[: len(dataset.class_names)]
