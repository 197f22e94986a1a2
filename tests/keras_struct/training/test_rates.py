"""rate_factors: each part trains as it would alone, at its own rate."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from keras_struct.training import cosine_schedule, rate_factors

RATE, STEPS = 0.05, 6


def two_parts(left=True, right=True):
    """Two dense layers that share no gradient; either may be left out."""
    x = keras.Input((3,))
    parts = {"left": left, "right": right}
    outputs = [keras.layers.Dense(2, name=name)(x) for name, wanted in parts.items() if wanted]
    return keras.Model(x, keras.layers.Concatenate()(outputs) if len(outputs) > 1 else outputs[0])


def weights_of(model, name):
    return [keras.ops.convert_to_numpy(v) for v in model.get_layer(name).weights]


def train(model, optimizer):
    """Steps on the sum of squares, so that each layer's gradient is its own."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(START[layer.name])
    model.compile(optimizer, loss=lambda y, p: keras.ops.sum(p**2 - p, axis=-1))
    for step in range(STEPS):
        rng = np.random.default_rng(step)
        x = rng.normal(size=(4, 3)).astype("float32")
        model.train_on_batch(x, np.zeros((4, model.output_shape[-1]), "float32"))
    return model


START = {
    name: [
        np.random.default_rng(seed).normal(size=(3, 2)).astype("float32"),
        np.full(2, seed + 1, "float32"),
    ]
    for seed, name in enumerate(("left", "right"))
}


def sgd(rate, **options):
    return keras.optimizers.SGD(rate, 0.9, nesterov=True, weight_decay=0.1, **options)


def adamw(rate, **options):
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.2, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def adam_on_a_course(rate, **options):
    return keras.optimizers.Adam(cosine_schedule(rate, STEPS, 2), **options)


@pytest.mark.agnostic
@pytest.mark.parametrize("factor", [0.125, 0.1, 3.0])
@pytest.mark.parametrize("make", [sgd, adamw, adam_on_a_course])
def test_each_part_trains_as_it_would_alone(make, factor):
    options = {"use_ema": True, "ema_momentum": 0.5} if make is adamw else {}
    both = train(two_parts(), rate_factors(make(RATE, **options), {"right/": factor}))
    left = train(two_parts(right=False), make(RATE, **options))
    right = train(two_parts(left=False), make(RATE * factor, **options))
    for name, alone in (("left", left), ("right", right)):
        for ours, theirs in zip(weights_of(both, name), weights_of(alone, name), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
            assert np.abs(ours - START[name][ours.ndim == 1]).max() > 1e-3


def test_accumulated_gradients_follow_the_factor():
    options = {"gradient_accumulation_steps": 2}
    both = train(two_parts(), rate_factors(adamw(RATE, **options), {"right/": 0.1}))
    right = train(two_parts(left=False), adamw(RATE * 0.1, **options))
    for ours, theirs in zip(weights_of(both, "right"), weights_of(right, "right"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.agnostic
@pytest.mark.parametrize("make", [sgd, adamw])
def test_a_factor_of_zero_changes_nothing(make):
    model = two_parts()
    train(model, rate_factors(make(RATE), {model.get_layer("left"): 0.0}))
    for ours, start in zip(weights_of(model, "left"), START["left"], strict=True):
        np.testing.assert_array_equal(ours, start)
    assert not np.allclose(weights_of(model, "right")[0], START["right"][0])


def test_the_first_match_counts():
    model = train(two_parts(), rate_factors(sgd(RATE), {"left/bias": 1.0, "left": 0.0}))
    kernel, bias = weights_of(model, "left")
    np.testing.assert_array_equal(kernel, START["left"][0])
    assert not np.allclose(bias, START["left"][1])


def test_the_loss_scale_of_mixed_precision_stays_outside():
    optimizer = keras.optimizers.LossScaleOptimizer(rate_factors(adamw(RATE), {"right/": 0.1}))
    both = train(two_parts(), optimizer)
    plain = train(two_parts(), rate_factors(adamw(RATE), {"right/": 0.1}))
    for name in START:
        for ours, theirs in zip(weights_of(both, name), weights_of(plain, name), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)


SCRIPT = """
import sys, keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras_struct
model = keras.saving.load_model(sys.argv[1])
model.train_on_batch(np.ones((4, 3)), np.zeros((4, 4)))
np.savez(sys.argv[2], *model.get_weights())
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.saving.load_model(sys.argv[1])
model.fit(np.ones((4, 3)), np.zeros((4, 4)), batch_size=4, shuffle=False, verbose=0)
np.savez(sys.argv[3], *model.get_weights())
"""


def test_a_saved_model_trains_on_elsewhere_and_on_two_devices(tmp_path):
    """In a process that knows `keras_struct` alone, and there on two replicas."""
    model = two_parts()
    optimizer = rate_factors(
        keras.optimizers.AdamW(RATE, weight_decay=0.2), {model.get_layer("right"): 0.1}
    )
    model.compile(optimizer, loss="mse")
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 4)))
    model.save(tmp_path / "model.keras")
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 4)))
    files = [tmp_path / name for name in ("model.keras", "one.npz", "two.npz")]
    subprocess.run([sys.executable, "-c", textwrap.dedent(SCRIPT), *map(str, files)], check=True)
    for file in files[1:]:
        with np.load(file) as arrays:
            for ours, theirs in zip(model.get_weights(), arrays.values(), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_what_does_not_fit_is_an_error():
    model = two_parts()
    with pytest.raises(ValueError, match="one of .*'AdamW'.*Received: RMSprop, built=False"):
        rate_factors(keras.optimizers.RMSprop(), {"left": 0.1})
    with pytest.raises(ValueError, match="not built yet. Received: SGD, built=True"):
        rate_factors(train(model, sgd(RATE)).optimizer, {"left": 0.1})
    with pytest.raises(ValueError, match="at least 0. Received: 'left': -1.0"):
        rate_factors(sgd(RATE), {"left": -1.0})
    with pytest.raises(ValueError, match="name parts with variables. Received: 'relu'"):
        rate_factors(sgd(RATE), {keras.layers.ReLU(name="relu"): 0.1})
    with pytest.raises(ValueError, match="match variables that train. Received: 'middle'"):
        rate_factors(sgd(RATE), {"middle": 0.1}).build(model.trainable_variables)


def test_a_namesake_outside_of_the_layer_is_an_error():
    x = keras.Input((3,))
    inner = keras.Model(x, keras.layers.Dense(3, name="dense")(x), name="part")
    model = keras.Model(x, keras.layers.Dense(1, name="dense")(inner(x)))
    optimizer = rate_factors(sgd(RATE), {inner: 0.1})
    with pytest.raises(ValueError, match="variable 'dense/kernel' has a namesake outside"):
        optimizer.build(model.trainable_variables)
