"""Learning rates that follow the training."""

import keras


def cosine_schedule(
    learning_rate: float, total_steps: int, warmup_steps: int = 0, final_fraction: float = 0.01
) -> keras.optimizers.schedules.CosineDecay:
    """Linear warm-up from zero, then a cosine down to a small rest, over exactly `total_steps`.

    Args:
        learning_rate: float > 0, the peak.
        total_steps: int, batches of the whole training (Keras counts batches also where it
            accumulates gradients).
        warmup_steps: int in [0, total_steps), batches of the rise.
        final_fraction: float in [0, 1], the last learning rate over the peak.

    Returns:
        `keras.optimizers.schedules.CosineDecay`.

    Raises:
        ValueError: if a number is outside its range.

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983; warm-up: Goyal et al. 2017,
    arXiv:1706.02677.
    """
    if not learning_rate > 0 or not 0 <= final_fraction <= 1:
        raise ValueError(
            "`learning_rate` must be positive and `final_fraction` in [0, 1]. "
            f"Received: learning_rate={learning_rate!r}, final_fraction={final_fraction!r}."
        )
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            "`warmup_steps` must be at least 0 and below `total_steps`. Received: "
            f"warmup_steps={warmup_steps!r}, total_steps={total_steps!r}. Warm up for less time."
        )
    if not warmup_steps:
        return keras.optimizers.schedules.CosineDecay(
            learning_rate, total_steps, alpha=final_fraction
        )
    # The first step starts above zero: a step that changes nothing is a batch wasted.
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate / warmup_steps,
        decay_steps=total_steps - warmup_steps,
        alpha=final_fraction,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )


def poly_schedule(
    learning_rate: float, total_steps: int, power: float = 0.9
) -> keras.optimizers.schedules.PolynomialDecay:
    """The rate of DeepLab: learning_rate * (1 - step / total_steps)^power, over `total_steps`.

    Args:
        learning_rate: float > 0, the first rate.
        total_steps: int, batches of the whole training.
        power: float > 0.

    Returns:
        `keras.optimizers.schedules.PolynomialDecay`.

    Raises:
        ValueError: if a number is outside its range.

    Source: Chen et al. 2018, arXiv:1606.00915, section 4.1.2.
    """
    if not learning_rate > 0 or not power > 0 or total_steps < 1:
        raise ValueError(
            "`learning_rate`, `power` and `total_steps` must be positive. Received: "
            f"learning_rate={learning_rate!r}, power={power!r}, total_steps={total_steps!r}."
        )
    return keras.optimizers.schedules.PolynomialDecay(
        learning_rate, total_steps, end_learning_rate=0.0, power=power
    )
