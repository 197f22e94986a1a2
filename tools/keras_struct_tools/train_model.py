"""The model of a training: by name, or from a file."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_struct_tools.measure_artefacts import model_file


def is_file(model: str) -> bool:
    """Whether --model means a file or folder, not a name."""
    return model.endswith(".keras") or Path(model).exists()


def fitted_boxes(options: Any, train: Any) -> Any:
    """What `SSD(default_boxes=...)` takes for --default_boxes; None where a file decides.

    Raises:
        ValueError: if the data holds too few boxes for k-means, or --num_sizes has no use.
    """
    from keras_struct.models.ssd import fit_default_boxes

    fitted = options.default_boxes == "kmeans" and not is_file(options.model)
    if options["num_sizes"].present and not (fitted and options.pyramid):
        raise ValueError(
            "`--num_sizes` must come with --default_boxes=kmeans and --pyramid, for a new model. "
            f"Received: --num_sizes={options.num_sizes}. Leave it out."
        )
    if not fitted:
        return None if is_file(options.model) else "published"
    counts = None if options.pyramid else published_counts(options.model, options.image_size)
    sizes, labels = network_sizes(train, options.image_size, options.resize)
    return fit_default_boxes(sizes, counts, options.num_sizes, options.seed, labels=labels)[0]


def published_counts(model: str, image_size: int) -> dict[str, int]:
    """Default boxes a cell of each level of the published network."""
    from keras_struct import models
    from keras_struct.models.ssd.default_boxes import published_sizes

    if model not in models.names():
        raise ValueError(
            f"`--model` must be one of {', '.join(models.names())}. Received: --model={model}."
        )
    sizes = published_sizes(model.split("_", 1)[1], image_size)
    return {level: len(boxes) for level, boxes in sizes.items()}


def network_sizes(dataset: Any, image_size: int, resize: str) -> tuple[np.ndarray, np.ndarray]:
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


def build_model(options: Any, class_names: tuple[str, ...], boxes: Any, continues: bool) -> Any:
    """Create or load the model.

    Args:
        options: flags of `train`.
        class_names: those of the data.
        boxes: what `fitted_boxes` gave.
        continues: whether a state will be restored: then no weights are fetched.

    Raises:
        ValueError: if the file is for other classes or another image size.
        OSError: if ImageNet weights cannot be fetched.
    """
    from keras_struct import models

    if is_file(options.model):
        return _load(options, class_names)
    weights = None if continues or options.backbone_weights == "none" else options.backbone_weights
    try:
        return models.create(
            options.model,
            num_classes=len(class_names),
            image_size=options.image_size,
            class_names=class_names,
            weights=weights,
            default_boxes=boxes,
            pyramid=options.pyramid,
            loss=options.loss,
            resize=options.resize,
            iou_threshold=options.iou_threshold,
        )
    except Exception as error:
        if "URL fetch failure" not in str(error):  # keras.utils.get_file raises a bare Exception
            raise
        raise OSError(
            f"The ImageNet weights could not be fetched ({error}). Give their file as "
            "--backbone_weights=PATH, or --backbone_weights=none to start from random ones."
        ) from error


def _load(options: Any, class_names: tuple[str, ...]) -> Any:
    import keras

    from keras_struct.training.batch_predictor import check_class_names

    model = keras.saving.load_model(model_file(options.model), compile=False)
    check_class_names(model.class_names, class_names)
    for name, value in model.get_config().items():
        if name not in options:
            continue
        if options[name].present and options[name].value != value:
            raise ValueError(
                f"`--{name}` must be that of the model to start from, {value}. "
                f"Received: --{name}={options[name].value}. Leave it out."
            )
        options[name].value = value
    return model
