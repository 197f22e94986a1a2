"""averaged_weights: Keras' average inside, the same bits as before outside."""

import keras
import numpy as np
import pytest

from keras_struct.training import averaged_weights


def trained(optimizer, steps=5, first=0):
    """A model after some steps, and the average of its kernel kept by hand from step `first`."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(0)
    average = 0.0
    for step in range(steps):
        model.train_on_batch(rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
        kernel = model.get_weights()[0]
        average = kernel if step <= first else 0.8 * average + 0.2 * kernel
    return model, average


def sgd(**options):
    return keras.optimizers.SGD(0.3, use_ema=True, ema_momentum=0.8, **options)


@pytest.mark.parametrize(
    ("optimizer", "first"),
    [
        (lambda: sgd(), 0),
        (lambda: keras.optimizers.LossScaleOptimizer(sgd()), 0),
        (lambda: sgd(gradient_accumulation_steps=2), 1),  # Keras counts steps, and averages batches
    ],
    ids=["plain", "loss scale", "accumulation"],
)
def test_average_inside_and_same_bits_outside(optimizer, first):
    model, average = trained(optimizer(), first=first)
    before = model.get_weights()
    with averaged_weights(model) as inside:
        assert inside is model
        np.testing.assert_allclose(model.get_weights()[0], average, rtol=1e-5)
        assert not np.allclose(average, before[0])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_come_back_after_an_error():
    model, _ = trained(sgd())
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="in between"), averaged_weights(model):
        raise RuntimeError("in between")
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD(0.3), sgd()])
def test_nothing_to_average(optimizer):
    """No average kept, or (second case) none yet: it would be all zeros."""
    model, _ = trained(optimizer, steps=0)
    before = model.get_weights()
    with averaged_weights(model):
        np.testing.assert_array_equal(before[0], model.get_weights()[0])
