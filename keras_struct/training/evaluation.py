"""How good a model or an artefact is on a data set, in the pixels of the original images."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_struct.metrics import DetectionMetrics
from keras_struct.training.detector import Detector, check_class_names

Progress = Callable[[int, int], None]


def evaluate(
    model: keras.Model | Callable[[np.ndarray], dict],
    dataset: Any,
    batch_size: int = 8,
    progress: Progress | None = None,
    image_size: int | None = None,
    resize: str | None = None,
) -> dict[str, Any]:
    """COCO and PASCAL VOC numbers of detections on a data set.

    Images pass through one batch at a time; what stays in memory is a few numbers per box.

    Args:
        model: a model with `with_decoder()`, a `Detector`, or any function of images
            (B, S, S, 3) float32 0..255 that gives {"boxes", "scores", "labels"} in pixels of these
            images (label -1 pads).
        dataset: a `keras_struct.data` dataset with boxes.
        batch_size: int, images at a time; the last batch is filled up with zeros.
        progress: function of (images done, images in all), or None.
        image_size: int, S, for a plain function; others know theirs.
        resize: "stretch" or "letterbox", for a plain function; others know theirs.

    Returns:
        The dict of `DetectionMetrics.result()`.

    Raises:
        ValueError: if model and data have different classes, or a function comes without
            `image_size` and `resize`.
    """
    metrics = DetectionMetrics(dataset.class_names)
    for index, annotation, result in predictions(
        model, dataset, batch_size, image_size=image_size, resize=resize
    ):
        metrics.update(index, annotation, result)
        if progress is not None:
            progress(len(metrics), len(dataset))
    return metrics.result()


def predictions(
    model: keras.Model | Callable[[np.ndarray], dict],
    dataset: Any,
    batch_size: int = 8,
    image_size: int | None = None,
    resize: str | None = None,
) -> Iterator[tuple[int, dict, dict[str, np.ndarray]]]:
    """Detections for all images of a data set, in its order.

    Args:
        model: as for `evaluate`.
        dataset: a `keras_struct.data` dataset.
        batch_size: int, images at a time.
        image_size: as for `evaluate`.
        resize: as for `evaluate`.

    Yields:
        (index, `dataset.annotation(index)`, {"boxes" (K, 4) xyxy original pixels, "scores",
        "labels" (K,)}), padding dropped.

    Raises:
        ValueError: as for `evaluate`.
    """
    if hasattr(model, "with_decoder"):
        model = Detector(model)
    image_size = image_size or getattr(model, "image_size", None)
    resize = resize or getattr(model, "resize", None)
    if not callable(model) or image_size is None or resize is None:
        raise ValueError(
            "`model` must have `with_decoder()`, or be a function and come with `image_size` and "
            f"`resize`. Received: model={model!r}, image_size={image_size!r}, resize={resize!r}."
        )
    check_class_names(getattr(model, "class_names", dataset.class_names), dataset.class_names)
    index = 0
    for images, _ in dataset.batches(
        batch_size, image_size, augment=False, shuffle=False, resize=resize, epochs=1
    ):
        images = np.asarray(images)
        missing = np.zeros((batch_size - len(images), *images.shape[1:]), images.dtype)
        results = model(np.concatenate([images, missing]))
        results = {name: np.asarray(results[name]) for name in ("boxes", "scores", "labels")}
        for row in range(len(images)):
            annotation = dataset.annotation(index)
            result = {name: value[row] for name, value in results.items()}
            yield index, annotation, to_original(result, annotation, image_size, resize)
            index += 1


def to_original(
    result: dict[str, np.ndarray], annotation: dict, image_size: int, resize: str
) -> dict[str, np.ndarray]:
    """Bring the detections of one image to its original pixels and drop the padding.

    Args:
        result: "boxes" (K, 4) xyxy pixels of the network input, "scores", "labels" (K,).
        annotation: "height" and "width" of the original image.
        image_size: int, pixels of the square network input.
        resize: "stretch" or "letterbox".

    Returns:
        The same fields, boxes clipped to the image.
    """
    from keras_struct.data import resize as geometry  # needs TensorFlow: not for every backend

    size = (annotation["height"], annotation["width"])
    keep = result["labels"] >= 0
    return {
        "boxes": geometry.to_original(result["boxes"][keep], size, image_size, resize),
        "scores": result["scores"][keep],
        "labels": result["labels"][keep],
    }
