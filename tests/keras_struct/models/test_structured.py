import keras
import numpy as np
import pytest

from keras_struct.layers import ChainCRF
from keras_struct.models.structured import StructuredModel

STATES, LENGTH = 3, 5


def sequences(count, seed=0):
    """Labels that go round 0, 1, 2; each is seen as a one-hot vector under heavy noise."""
    rng = np.random.default_rng(seed)
    labels = (rng.integers(0, STATES, (count, 1)) + np.arange(LENGTH)) % STATES
    return (np.eye(STATES)[labels] + rng.normal(0, 0.8, (count, LENGTH, STATES))), labels


def model_with(loss, **options):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((LENGTH, STATES))
    network = keras.Model(inputs, keras.layers.Dense(STATES)(inputs))
    return StructuredModel(network, ChainCRF(), loss, **options)


def trained(loss, **options):
    model = model_with(loss, **options)
    model.compile(keras.optimizers.Adam(0.05))
    x, labels = sequences(256)
    model.fit(x, {"labels": labels}, batch_size=64, epochs=12, verbose=0)
    return model


def accuracy(model):
    x, labels = sequences(400, seed=1)
    return np.mean(model.with_decoder().predict(x, verbose=0)["labels"] == labels)


def test_ties_are_learned_jointly_and_piecewise_but_not_by_the_unary_loss():
    alone = accuracy(trained("unary"))
    assert 0.6 < alone < 0.88
    for loss in ("log_loss", "piecewise"):
        assert accuracy(trained(loss)) > 0.91, loss
    assert accuracy(trained("log_loss", loss_method="belief_propagation", loss_options={})) > 0.91


def test_joint_training_goes_on_from_a_unary_model_and_saves(tmp_path):
    model = trained("unary")
    model.learn_by = "log_loss"
    model.compile(keras.optimizers.Adam(0.05))
    x, labels = sequences(256)
    labels = np.where(np.arange(LENGTH) < 4, labels, -1)  # one step left out
    model.fit(x, {"labels": labels}, batch_size=64, epochs=12, verbose=0)
    assert accuracy(model) > 0.91
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.learn_by == "log_loss" and accuracy(loaded) == accuracy(model)
    with pytest.raises(ValueError, match="`loss` must be one of"):
        model_with("magic")
