"""The optimizer of a training: schedule, decay, clipping, average, and rates of parts."""

from typing import Any

# Offsets and scales, and the few numbers of a CRF: zero is no better a guess for them.
_NO_DECAY = ["bias", "gamma", "beta", "spatial_weight", "bilateral_weight", "compatibility"]


def ema_momentum(text: str, total_steps: int) -> float | None:
    """Momentum of the moving average: averages over a twentieth of the training, or less.

    Raises:
        ValueError: if `text` is not "auto", "off" or a number in (0, 1).
    """
    if text == "off":
        return None
    if text == "auto":
        return round(min(0.995, max(0.5, 1.0 - 20.0 / total_steps)), 6)
    try:
        momentum = float(text)
    except ValueError:
        momentum = 0.0
    if not 0 < momentum < 1:
        raise ValueError(
            f"`--ema` must be auto, off or a number between 0 and 1. Received: --ema={text}."
        )
    return momentum


def make_optimizer(options: Any, steps_per_epoch: int, momentum: float | None, model: Any) -> Any:
    """The Keras optimizer with schedule, decay, clipping, average and accumulation."""
    import keras

    from keras_struct.training import rate_factors

    common = {
        "learning_rate": _rate(options, steps_per_epoch),
        "global_clipnorm": options.clip_norm or None,
        "use_ema": momentum is not None,
        "gradient_accumulation_steps": _accumulation(options.accumulate_steps),
    }
    if momentum is not None:
        common["ema_momentum"] = momentum
    decay = options.weight_decay
    if options.optimizer == "adam":
        optimizer = keras.optimizers.Adam(**common)
    elif options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.9, weight_decay=decay or None, **common)
    else:
        optimizer = keras.optimizers.AdamW(weight_decay=decay, **common)
    if options.optimizer != "adam" and decay:
        optimizer.exclude_from_weight_decay(var_names=_NO_DECAY)
    factors = {}
    if options.backbone_rate != 1.0:
        factors[backbone_of(model)] = options.backbone_rate
    if options["crf_rate"].present:
        factors[_crf_of(model)] = options.crf_rate
    return rate_factors(optimizer, factors) if factors else optimizer


def _rate(options, steps_per_epoch):
    from keras_struct.training import cosine_schedule, poly_schedule

    total = steps_per_epoch * options.epochs
    if options.schedule == "cosine":
        rise = options.warmup_epochs
        rise = min(1.0, 0.1 * options.epochs) if rise is None else rise
        return cosine_schedule(options.learning_rate, total, int(round(rise * steps_per_epoch)))
    if options.schedule == "poly":
        return poly_schedule(options.learning_rate, total)
    return options.learning_rate


def _accumulation(steps: int) -> int | None:
    return steps if steps > 1 else None


def backbone_of(model: Any) -> Any:
    """The part of a model that is its backbone.

    Raises:
        ValueError: if it has none.
    """
    import keras

    model = getattr(model, "model", model)  # what a joint CRF was put behind
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    found = [part for part in parts if part.name == getattr(model, "backbone_name", None)]
    if not found:
        raise ValueError(
            "`--model` must have a backbone as a part of its own for --backbone_rate. "
            f"Received: {model.name}, with the parts {[part.name for part in parts]}."
        )
    return found[0]


def _crf_of(model):
    from keras_struct.models import CRFasRNN

    if not isinstance(model, CRFasRNN):
        raise ValueError(
            "`--crf_rate` must come with --crf=joint, or a model that was trained so. "
            f"Received: {model.name}."
        )
    return model.crf
