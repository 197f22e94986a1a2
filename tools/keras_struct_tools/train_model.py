"""The model of a training: by name, or from a file."""

import json
from pathlib import Path
from typing import Any

from absl import flags

from keras_struct_tools import crf_flags, train_boxes, train_labels
from keras_struct_tools import options as reading
from keras_struct_tools.measure_artefacts import model_file

# Flags that are arguments of the models that take them, and of no others.
MODEL_FLAGS = (
    *("loss", "freeze_batch_norm"),
    *("pyramid", "iou_threshold", "default_boxes"),
    "class_weights",
)
_FITTED = {"default_boxes": train_boxes.fitted_boxes, "class_weights": train_labels.class_weights}
# Flags that say how label maps are learned: a model that was trained may go on with others.
_LEARNING = ("loss", "class_weights")
_MANAGED = ("num_classes", "image_size", "class_names", "weights", "resize", "crf")


def origin(options: Any) -> Any:
    """Where the model comes from: `NamedModel` or `StoredModel`."""
    is_file = options.model.endswith(".keras") or Path(options.model).exists()
    return StoredModel(options) if is_file else NamedModel(options)


class NamedModel:
    """A new model.

    Args:
        options: flags of `train`.

    Attributes:
        task: what it is for.

    Raises:
        ValueError: if there is no such model, or a flag is no argument of it.
    """

    def __init__(self, options: Any) -> None:
        from keras_struct import models

        self.task = models.task(options.model)
        self._takes = models.arguments(options.model)
        self._own = self._read_own(options)
        for name in (*MODEL_FLAGS, "backbone_weights"):
            argument = "weights" if name == "backbone_weights" else name
            if options[name].present and argument not in self._takes:
                raise flags.Error(
                    f"`--{name}` must not come with --model={options.model}, which takes no such "
                    f"argument. Received: --{name}={options[name].value}. Leave it out."
                )

    def _read_own(self, options):
        own = {}
        free = [name for name in self._takes if name not in (*MODEL_FLAGS, *_MANAGED)]
        for text in options.model_option:
            name, sign, value = text.partition("=")
            if name not in free or not sign:
                raise flags.Error(
                    f"`--model_option` must be NAME=VALUE with NAME among {free} for "
                    f"--model={options.model}. Received: --model_option={text}."
                )
            try:
                own[name] = json.loads(value)
            except ValueError:
                own[name] = value
        return own

    def settle(self, options: Any) -> None:
        """Nothing: the flags decide."""

    def fitted(self, options: Any, train: Any) -> dict[str, Any]:
        """Arguments of the model that are found in the training data."""
        wanted = [name for name in _FITTED if name in self._takes and options[name].value]
        return {name: _FITTED[name](options, train) for name in wanted}

    def build(self, options: Any, class_names: tuple, fitted: dict, continues: bool) -> Any:
        """Create the model.

        Args:
            options: flags of `train`.
            class_names: those of the data.
            fitted: what `fitted` gave.
            continues: whether a state will be restored: then no weights are fetched.

        Raises:
            OSError: if ImageNet weights cannot be fetched.
        """
        from keras_struct import models

        given = {name: options[name].value for name in MODEL_FLAGS if options[name].present}
        arguments = {
            "num_classes": len(class_names),
            "image_size": options.image_size,
            "class_names": class_names,
            "resize": options.resize,
        }
        if "weights" in self._takes and not continues and options.backbone_weights != "none":
            arguments["weights"] = options.backbone_weights
        crf = crf_flags.layer(options)
        if options.crf == "post":
            arguments["crf"] = crf
        try:
            model = models.create(options.model, **arguments, **{**given, **fitted}, **self._own)
            return models.CRFasRNN(model, crf) if options.crf == "joint" else model
        except Exception as error:
            # keras.utils.get_file raises a bare Exception
            if "URL fetch failure" not in str(error):
                raise
            raise OSError(
                f"The ImageNet weights could not be fetched ({error}). Give their file as "
                "--backbone_weights=PATH, or --backbone_weights=none to start from random ones."
            ) from error


class StoredModel:
    """The model of a file or run folder, with new training.

    Args:
        options: flags of `train`.

    Attributes:
        task: what it is for.

    Raises:
        ValueError: if a flag says otherwise than the model.
    """

    def __init__(self, options: Any) -> None:
        import keras

        import keras_struct  # noqa: F401 (registers the classes the file names)

        for name in ("backbone_weights", "model_option"):
            if options[name].present:
                raise flags.Error(
                    f"`--{name}` must come with the name of a new model; a file has its own. "
                    f"Received: --{name}={options[name].value}. Leave it out."
                )
        self._model = keras.saving.load_model(model_file(options.model), compile=False)
        self.task = self._model.card()["task"]

    def settle(self, options: Any) -> None:
        """Check flags against the model, and take over its size and resizing."""
        size = options["image_size"]
        size.value = reading.size_text(size.value)
        own = {**self._model.get_config(), "image_size": reading.size_text(self._model.image_size)}
        for name in (*MODEL_FLAGS, "image_size", "resize"):
            if self.task == "segmentation" and name in _LEARNING:
                continue
            if options[name].present and options[name].value != own.get(name):
                raise flags.Error(
                    f"`--{name}` must be that of the model to start from, {own.get(name)}. "
                    f"Received: --{name}={options[name].value}. Leave it out."
                )
        size.value = self._model.image_size
        options["resize"].value = own["resize"]

    def fitted(self, options: Any, train: Any) -> dict[str, Any]:
        """Class weights where they are asked for; else nothing: the model has its arguments."""
        train_boxes.check_num_sizes(options, fitted=False)
        if self.task == "segmentation" and options["class_weights"].present:
            return {"class_weights": train_labels.class_weights(options, train)}
        return {}

    def build(self, options: Any, class_names: tuple, fitted: dict, continues: bool) -> Any:
        """Give the model.

        Raises:
            ValueError: if it is for other classes.
        """
        from keras_struct import models
        from keras_struct.training.batch_predictor import check_class_names

        check_class_names(self._model.class_names, class_names)
        changes = dict(fitted)
        if self.task == "segmentation" and options["loss"].present:
            changes["loss"] = options.loss
        model = _changed(self._model, changes)
        crf = crf_flags.layer(options)
        if options.crf == "joint":
            return models.CRFasRNN(model, crf)
        return model if crf is None else model.with_crf(crf)


def _changed(model: Any, changes: dict[str, Any]) -> Any:
    """The model, or one with other arguments and the same weights."""
    if not changes:
        return model
    other = type(model).from_config({**model.get_config(), **changes})
    other.set_weights(model.get_weights())
    return other
