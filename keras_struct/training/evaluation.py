"""How good a model or an artefact is on a data set, in the pixels of the original images."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_struct.training.batch_predictor import BatchPredictor, check_class_names
from keras_struct.training.tasks import task_of

Progress = Callable[[int, int], None]


def evaluate(
    model: keras.Model | Callable[[np.ndarray], dict],
    dataset: Any,
    batch_size: int = 8,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The numbers of a model's task on a data set.

    Images pass through one batch at a time; what stays in memory is a few numbers per box, or a
    table of classes by classes.

    Args:
        model: a model with `with_decoder()`, a `BatchPredictor`, or any function of images
            (B, H, W, 3) float32 0..255 that gives the results of its task in pixels of these
            images: {"boxes", "scores", "labels"} (label -1 pads) or {"segmentation"}. Where its
            card (`model.card()`, of a function the dict `card`) names them among "results", also
            "masks" (B, K, M, M), probabilities inside the boxes, and "keypoints" (B, K, J, 3).
        dataset: a `keras_struct.data` dataset with boxes, or with label maps. Masks and keypoints
            are judged where it has them.
        batch_size: int, images at a time; the last batch is filled up with zeros.
        progress: function of (images done, images in all), or None.
        **options: `task`, `image_size` and `resize` of a plain function, or `scales` and `flip`
            for a model of label maps; see `predictions`.

    Returns:
        The dict of `DetectionMetrics.result()` or `SegmentationMetrics.result()`.

    Raises:
        ValueError: if model and data have different classes, or a function comes without
            `task`, `image_size` and `resize`.
    """
    model = as_function(model, **options)
    task, dataset = task_of(model.task, model.card), dataset.for_task(model.task)
    numbers = task.metrics(dataset.class_names)
    for index, _, result in predictions(model, dataset, batch_size):
        task.update(numbers, dataset, index, result)
        if progress is not None:
            progress(index + 1, len(dataset))
    return numbers.result()


def predictions(
    model: keras.Model | Callable[[np.ndarray], dict],
    dataset: Any,
    batch_size: int = 8,
    **options: Any,
) -> Iterator[tuple[int, dict, dict[str, np.ndarray]]]:
    """Results for all images of a data set, in its order.

    Args:
        model: as for `evaluate`.
        dataset: a `keras_struct.data` dataset.
        batch_size: int, images at a time.
        **options: for a plain function `task` ("detection" or "segmentation"), `image_size` (int
            or (height, width) of the images) and `resize` ("stretch" or "letterbox"), unless they
            are attributes of it. For a model of label maps `scales` and `flip`, see
            `averaged_over_scales`.

    Yields:
        (index, `dataset.annotation(index)`, result) in original pixels: {"boxes" (K, 4) xyxy,
        "scores", "labels" (K,)}, padding dropped, with "masks" (K run lengths, see
        `keras_struct.ops.run_lengths`) and "keypoints" (K, J, 3) where the model gives them, or
        {"segmentation" (H, W)}.

    Raises:
        ValueError: as for `evaluate`.
    """
    model = as_function(model, **options)
    task, dataset = task_of(model.task, model.card), dataset.for_task(model.task)
    check_class_names(getattr(model, "class_names", dataset.class_names), dataset.class_names)
    for start, inputs in _full_batches(model, dataset, batch_size):
        results = model(inputs)
        results = {name: np.asarray(results[name]) for name in task.results}
        for index in range(start, min(start + batch_size, len(dataset))):
            annotation = dataset.annotation(index)
            size = (annotation["height"], annotation["width"])
            result = {name: value[index - start] for name, value in results.items()}
            yield index, annotation, task.to_original(result, size, model.image_size, model.resize)


def _full_batches(model, dataset, batch_size):
    """(number of the first image, inputs) of batches; the last is filled up with zeros."""
    more = ("proposals",) if "proposals" in getattr(model, "fields", ()) else ()
    batches = dataset.batches(
        batch_size,
        model.image_size,
        augment=False,
        shuffle=False,
        resize=model.resize,
        epochs=1,
        fields=(dataset.fields[0], *more),
    )

    def filled(x):
        x = np.asarray(x)
        return np.pad(x, [(0, batch_size - len(x)), *[(0, 0)] * (x.ndim - 1)])

    for number, (inputs, _) in enumerate(batches):
        yield number * batch_size, keras.tree.map_structure(filled, inputs)


class _Function:
    """A plain function with what it takes to call it."""

    def __init__(self, function: Any, **known: Any) -> None:
        self._function = function
        for name, value in known.items():
            value = getattr(function, name, None) if value is None else value
            if value is None or not callable(function):
                raise ValueError(
                    "`model` must have `with_decoder()`, or be a function and come with `task`, "
                    f"`image_size` and `resize`. Received: model={function!r}, {known}."
                )
            setattr(self, name, value)
        self.card = getattr(function, "card", None)
        self.fields = getattr(function, "fields", ())
        if hasattr(function, "class_names"):
            self.class_names = function.class_names

    def __call__(self, images: np.ndarray) -> dict:
        return self._function(images)


def as_function(
    model: Any,
    *,
    task: str | None = None,
    image_size: Any = None,
    resize: str | None = None,
    scales: Sequence[float] | None = None,
    flip: bool = False,
) -> Any:
    """The model as a function that knows its task, its size and how images come to it."""
    if hasattr(model, "with_decoder"):
        if any(value is not None for value in (task, image_size, resize)):
            raise ValueError(
                "`task`, `image_size` and `resize` must come with a plain function; a model knows "
                f"its own. Received: {task!r}, {image_size!r}, {resize!r}. Leave them out."
            )
        return BatchPredictor(model, scales, flip)
    if scales is not None or flip:
        raise ValueError(
            "`scales` and `flip` must come with a Keras model, whose size can change. "
            f"Received: model={model!r}, scales={scales!r}, flip={flip!r}."
        )
    return _Function(model, task=task, image_size=image_size, resize=resize)
