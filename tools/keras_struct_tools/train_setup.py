"""From flags to the parts of a training: data, model, optimizer, strategy."""

import contextlib
import platform
from collections.abc import Iterator
from typing import Any

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


def open_data(options: Any) -> tuple[Any, Any]:
    """Training and validation data; a fraction as --validation_split divides one split."""
    train = open_spec(options.data, options.split)
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
    val = open_spec(options.validation_data or options.data, options.validation_split)
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


def ema_momentum(text: str, total_steps: int) -> float | None:
    """Momentum of the moving average: averages over a twentieth of the training, or less.

    Raises:
        ValueError: if `text` is not "auto", "off" or a number in (0, 1).
    """
    if text == "off":
        return None
    if text == "auto":
        return round(min(0.995, max(0.5, 1.0 - 20.0 / total_steps)), 6)
    momentum = _fraction(text)
    if momentum is None or not 0 < momentum < 1:
        raise ValueError(
            f"`--ema` must be auto, off or a number between 0 and 1. Received: --ema={text}."
        )
    return momentum


def make_optimizer(options: Any, steps_per_epoch: int, momentum: float | None) -> Any:
    """The Keras optimizer with schedule, decay, clipping, average and accumulation."""
    import keras

    from keras_struct.training import cosine_schedule

    rate = options.learning_rate
    if options.schedule == "cosine":
        rise = options.warmup_epochs
        rise = min(1.0, 0.1 * options.epochs) if rise is None else rise
        warmup = int(round(rise * steps_per_epoch))
        rate = cosine_schedule(rate, steps_per_epoch * options.epochs, warmup)
    common = {
        "learning_rate": rate,
        "global_clipnorm": options.clip_norm or None,
        "use_ema": momentum is not None,
        "gradient_accumulation_steps": _accumulation(options.accumulate_steps),
    }
    if momentum is not None:
        common["ema_momentum"] = momentum
    if options.optimizer == "adam":
        return keras.optimizers.Adam(**common)
    if options.optimizer == "sgd":
        common |= {"momentum": 0.9, "weight_decay": options.weight_decay or None}
        optimizer = keras.optimizers.SGD(**common)
    else:
        optimizer = keras.optimizers.AdamW(weight_decay=options.weight_decay, **common)
    if options.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _accumulation(steps: int) -> int | None:
    return steps if steps > 1 else None


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


def augmentation(options: Any) -> Any:
    """What `Dataset.batches(augment=...)` takes."""
    from keras_struct.data import SSDAugmentation

    if not options.augment:
        return False
    return SSDAugmentation(
        expand=options.augment_expand,
        min_scale=options.augment_min_scale,
        photometric=options.augment_photometric,
        flip=options.augment_flip,
        vertical_flip=options.augment_vertical_flip,
    )
