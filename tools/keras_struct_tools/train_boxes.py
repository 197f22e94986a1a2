"""Default boxes of a training: published, or fitted to its data."""

from typing import Any

import numpy as np


def fitted_boxes(options: Any, train: Any) -> Any:
    """What `SSD(default_boxes=...)` takes for --default_boxes.

    Raises:
        ValueError: if the data holds too few boxes for k-means, or --num_sizes has no use.
    """
    from keras_struct.models.ssd import fit_default_boxes

    fitted = options.default_boxes == "kmeans"
    check_num_sizes(options, fitted)
    if not fitted:
        return "published"
    counts = None if options.pyramid else published_counts(options.model, options.image_size)
    sizes, labels = network_sizes(train, options.image_size, options.resize)
    return fit_default_boxes(sizes, counts, options.num_sizes, options.seed, labels=labels)[0]


def check_num_sizes(options: Any, fitted: bool) -> None:
    """Raise a ValueError where --num_sizes is given and nothing asks for it."""
    if options["num_sizes"].present and not (fitted and options.pyramid):
        raise ValueError(
            "`--num_sizes` must come with --default_boxes=kmeans and --pyramid, for a new model. "
            f"Received: --num_sizes={options.num_sizes}. Leave it out."
        )


def published_counts(model: str, image_size: Any) -> dict[str, int]:
    """Default boxes a cell of each level of the published network."""
    from keras_struct.models.ssd.default_boxes import published_sizes

    sizes = published_sizes(model.split("_", 1)[1], image_size)
    return {level: len(boxes) for level, boxes in sizes.items()}


def network_sizes(dataset: Any, image_size: Any, resize: str) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and classes of all boxes but crowds: (N, 2) pixels of the network input, (N,)."""
    from keras_struct import data

    sizes, labels = [np.zeros((0, 2), np.float32)], [np.zeros(0, np.int64)]
    for index in range(len(dataset)):
        annotation = dataset.annotation(index)
        size = (annotation["height"], annotation["width"])
        keep = ~np.asarray(annotation["crowd"], bool)
        boxes = data.to_network(annotation["boxes"][keep], size, image_size, resize)
        sizes.append(boxes[:, 2:] - boxes[:, :2])
        labels.append(annotation["labels"][keep])
    return np.concatenate(sizes), np.concatenate(labels)
