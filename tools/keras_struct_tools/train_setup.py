"""From flags to the parts of a training: data, augmentation, strategy."""

import contextlib
import platform
from collections.abc import Iterator
from typing import Any

from keras_struct_tools import options as reading
from keras_struct_tools.data_specs import has_splits, open_spec


@contextlib.contextmanager
def runtime(options: Any) -> Iterator[Any]:
    """Seed everything, set the precision, and give the `tf.distribute` strategy."""
    import keras
    import tensorflow as tf

    # Before anything else: a cluster can only be joined while TensorFlow has done no work.
    strategy = _strategy(options.strategy, tf)
    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    policy = keras.config.dtype_policy()
    if options.mixed_precision != "none":
        keras.config.set_dtype_policy(f"mixed_{options.mixed_precision}")
    try:
        yield strategy
    finally:
        keras.config.set_dtype_policy(policy)


def _strategy(name: str, tf: Any) -> Any:
    if name == "multiworker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored":
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "auto" and len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def open_data(options: Any, task: str) -> tuple[Any, Any]:
    """Training and validation data; a fraction as --validation_split divides one split."""
    train = open_spec(options.data, options.split).for_task(task)
    fraction = _fraction(options.validation_split)
    if fraction is not None and options.validation_data:
        raise ValueError(
            "`--validation_split` must be the name of a split where --validation_data is given. "
            f"Received: --validation_split={options.validation_split}."
        )
    if fraction is None and not options.validation_data and not has_splits(options.data):
        raise ValueError(
            f"`--data` must have a split {options.validation_split!r} to validate on. Received: "
            f"--data={options.data}. Give --validation_split=0.2, or --validation_data=..., or "
            "write {split} into the path."
        )
    if fraction is not None:
        return train.split(1.0 - fraction, seed=options.seed)
    spec = options.validation_data or options.data
    val = open_spec(spec, options.validation_split).for_task(task)
    if train.class_names != val.class_names:
        raise ValueError(
            "`--validation_data` must have the classes of the training data. Received: "
            f"{list(train.class_names)} and {list(val.class_names)}."
        )
    return train, val


def _fraction(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def versions() -> dict[str, str]:
    """What a run was made with."""
    import keras
    import tensorflow as tf

    import keras_struct

    return {
        "keras_struct": keras_struct.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
    }


def use_jit(options: Any) -> bool:
    """Whether to compile with XLA: on a CPU compiling takes longer than it gains.

    Raises:
        ValueError: if XLA is wanted together with determinism, which TensorFlow does not offer.
    """
    import tensorflow as tf

    if options.jit == "on" and options.deterministic:
        raise ValueError("`--jit` must not be on with --deterministic. Received: both.")
    if options.jit == "auto":
        return bool(tf.config.list_logical_devices("GPU")) and not options.deterministic
    return options.jit == "on"


def augmentation(options: Any, task: str) -> Any:
    """What `Dataset.batches(augment=...)` takes."""
    from keras_struct import data

    if not options.augment:
        return False
    common = {
        "photometric": options.augment_photometric,
        "flip": options.augment_flip,
        "vertical_flip": options.augment_vertical_flip,
    }
    if task == "detection":
        return data.SSDAugmentation(
            expand=options.augment_expand, min_scale=options.augment_min_scale, **common
        )
    return data.SegmentationAugmentation(
        scale=reading.numbers("augment_scale", options.augment_scale),
        relative_to=options.image_size,
        focus=options.augment_focus,
        **common,
    )
