"""Averaged weights for evaluation and checkpoints."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[keras.Model]:
    """Let a model use the moving average of its weights inside the block.

    The average is Keras' own (`use_ema=True` in the optimizer); without one the block runs on the
    weights as they are. Keras' `SwapEMAWeights` is not used: under TensorFlow it swaps by adding
    and subtracting, which rounds, so that training on afterwards is not what it would have been;
    and after early stopping it leaves the plain weights in the model. Here the weights come back
    bit by bit.

    Args:
        model: compiled model, between two steps of training.

    Yields:
        The same model.

    Example:
        with averaged_weights(model):
            model.save("best.keras")
    """
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not _has_average(inner):
        yield model
        return
    weights = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    inner.finalize_variable_values(model.trainable_variables)
    try:
        yield model
    finally:
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)


def _has_average(optimizer: keras.optimizers.Optimizer) -> bool:
    """Before the first step the average is all zeros."""
    if not getattr(optimizer, "use_ema", False) or not optimizer.built:
        return False
    return bool(keras.ops.convert_to_numpy(optimizer.iterations) > 0)
