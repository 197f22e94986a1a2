"""Losses of label maps against plain NumPy, brute force and finite differences."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_struct import losses
from keras_struct.losses import LOSSES, LovaszSoftmax, PixelCrossEntropy, PixelFocal, SoftDice

pytestmark = pytest.mark.agnostic

CLASSES = 4
WEIGHTS = (0.5, 2.0, 0.0, 1.5)


def scene(seed=0, images=3, height=4, width=5):
    """Label maps with ignored pixels and a class that is missing, logits, weights of pixels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (images, height, width))
    labels[rng.uniform(size=labels.shape) < 0.2] = 255
    labels[0][labels[0] == 3] = 1
    logits = rng.normal(size=(*labels.shape, CLASSES), scale=2).astype("float32")
    return labels.astype("int32"), logits, rng.uniform(0, 2, labels.shape).astype("float32")


def softmax(logits):
    powers = np.exp(logits.astype("float64") - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def valid_pixels(labels, logits, weights):
    """Of one image: (labels (P,), probabilities (P, C), weights (P,)) of what is not ignored."""
    kept = labels != 255
    weights = np.ones(labels.shape) if weights is None else weights
    return labels[kept], softmax(logits)[kept], weights[kept].astype("float64")


def naive_pixel_loss(labels, p, weights, class_weights, gamma=0.0):
    if not len(labels):
        return 0.0
    p = p[np.arange(len(labels)), labels]
    weights = weights * np.asarray(class_weights)[labels]
    return (-((1 - p) ** gamma) * np.log(p) * weights).sum() / weights.sum()


def naive_dice(labels, p, weights, class_weights):
    terms = []
    for c in np.unique(labels):
        t = labels == c
        dice = 2 * (weights * p[:, c] * t).sum() / (weights * (p[:, c] + t)).sum()
        terms.append((1 - dice, class_weights[c]))
    return weighted_mean(terms)


def naive_lovasz(labels, p, weights, class_weights):
    """Pixels become wrong one by one, most wrong first; the Jaccard loss is counted each time."""
    terms = []
    for c in np.unique(labels):
        t = labels == c
        errors = np.abs(t - p[:, c])
        order = np.argsort(-errors)
        total = 0.0
        for rank, pixel in enumerate(order):
            grown = jaccard_loss(t, order[: rank + 1], weights)
            total += errors[pixel] * (grown - jaccard_loss(t, order[:rank], weights))
        terms.append((total, class_weights[c]))
    return weighted_mean(terms)


def jaccard_loss(truth, wrong, weights):
    predicted = truth.copy()
    predicted[wrong] = ~predicted[wrong]
    return 1 - weights[truth & predicted].sum() / weights[truth | predicted].sum()


def weighted_mean(terms):
    total = sum(weight for _, weight in terms)
    return sum(value * weight for value, weight in terms) / total if total else 0.0


NAIVE = {
    "cross_entropy": naive_pixel_loss,
    "focal": lambda *arguments: naive_pixel_loss(*arguments, gamma=2.0),
    "dice": naive_dice,
    "lovasz": naive_lovasz,
}


@pytest.mark.parametrize("class_weights", [None, WEIGHTS])
@pytest.mark.parametrize("with_pixel_weights", [False, True])
@pytest.mark.parametrize("name", NAIVE)
def test_equals_plain_numpy(name, class_weights, with_pixel_weights):
    labels, logits, weights = scene()
    weights = weights if with_pixel_weights else None
    got = LOSSES[name](class_weights=class_weights).call(labels, logits, weights)
    expected = []
    for index in range(len(labels)):
        own = None if weights is None else weights[index]
        arguments = valid_pixels(labels[index], logits[index], own)
        expected.append(NAIVE[name](*arguments, class_weights or (1.0,) * CLASSES))
    np.testing.assert_allclose(ops.convert_to_numpy(got), expected, rtol=1e-5)


def test_the_sum_is_the_mean_times_the_pixels():
    labels, logits, _ = scene()
    mean = ops.convert_to_numpy(PixelCrossEntropy().call(labels, logits))
    total = LOSSES["cross_entropy_sum"]().call(labels, logits)
    counts = (labels != 255).sum((1, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(total), mean * counts, rtol=1e-5)


def test_focal_without_focus_is_cross_entropy():
    labels, logits, weights = scene()
    focal = PixelFocal(WEIGHTS, gamma=0).call(labels, logits, weights)
    np.testing.assert_allclose(focal, PixelCrossEntropy(WEIGHTS).call(labels, logits, weights))


def test_lovasz_is_the_greatest_over_all_orders():
    """The extension of a submodular set function is a maximum over permutations."""
    labels, logits, weights = scene(seed=3, images=1, height=1, width=5)
    labels[0, 0] = (0, 1, 0, 255, 1)
    truth, p, counts = valid_pixels(labels[0], logits[0], weights[0])
    terms = []
    for c in (0, 1):
        t = truth == c
        errors = np.abs(t - p[:, c])
        totals = []
        for order in itertools.permutations(range(4)):
            values = [jaccard_loss(t, list(order[:k]), counts) for k in range(5)]
            totals.append((errors[list(order)] * np.diff(values)).sum())
        terms.append(max(totals))
    got = LovaszSoftmax().call(labels, logits, weights)
    assert float(got[0]) == pytest.approx(np.mean(terms), rel=1e-5)


def test_lovasz_and_dice_of_hard_predictions_are_those_of_the_sets():
    labels, logits, _ = scene(images=4)
    predicted = logits.argmax(-1)
    hard = 1000.0 * np.eye(CLASSES, dtype="float32")[predicted]
    jaccard, dice = [], []
    for truth, found in zip(labels, predicted, strict=True):
        valid = truth != 255
        pairs = [((truth == c) & valid, (found == c) & valid) for c in np.unique(truth[valid])]
        jaccard.append(np.mean([1 - (t & f).sum() / (t | f).sum() for t, f in pairs]))
        dice.append(np.mean([1 - 2 * (t & f).sum() / (t.sum() + f.sum()) for t, f in pairs]))
    np.testing.assert_allclose(LovaszSoftmax().call(labels, hard), jaccard, rtol=1e-5)
    np.testing.assert_allclose(SoftDice().call(labels, hard), dice, rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_perfect_predictions_cost_nothing(name):
    labels, _, _ = scene()
    perfect = 50.0 * np.eye(CLASSES, dtype="float32")[np.where(labels == 255, 0, labels)]
    np.testing.assert_allclose(LOSSES[name]().call(labels, perfect), 0.0, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_and_images_count_nothing(name):
    labels, logits, _ = scene()
    labels[1] = 255
    loss = LOSSES[name](class_weights=(1.0, 2.0, 3.0, 4.0))
    values = ops.convert_to_numpy(loss.call(labels, logits))
    assert values[1] == 0 and (values[[0, 2]] > 0).all()
    changed = np.where((labels == 255)[..., None], 77.0, logits).astype("float32")
    np.testing.assert_allclose(loss.call(labels, changed), values, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_an_image_alone_as_in_a_batch(name):
    labels, logits, weights = scene()
    loss = LOSSES[name](class_weights=WEIGHTS)
    together = loss.call(labels, logits, weights)
    for index in range(3):
        part = slice(index, index + 1)
        alone = loss.call(labels[part], logits[part], weights[part])
        assert float(alone[0]) == pytest.approx(float(together[index]), rel=1e-5)


def gradients(loss, labels, logits, weights):
    import tensorflow as tf

    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = ops.sum(loss.call(labels, variable, weights))
    return tape.gradient(value, variable).numpy()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_by_finite_differences(name):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    labels, logits, weights = scene(images=2, height=3, width=3)
    labels[1] = 255
    loss = LOSSES[name](class_weights=(1.0, 2.0, 3.0, 4.0))
    slopes = gradients(loss, labels, logits, weights)
    assert not slopes[1].any()
    assert np.isfinite(gradients(loss, labels, logits * 1e3, weights)).all()
    for place in list(np.ndindex(logits[:1].shape))[::4]:
        values = []
        for step in (1e-2, -1e-2):
            moved = logits.copy()
            moved[place] += step
            values.append(float(ops.sum(loss.call(labels, moved, weights))))
        assert slopes[place] == pytest.approx((values[0] - values[1]) / 2e-2, abs=2e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_as_a_loss_of_keras(name):
    labels, logits, _ = scene()
    loss = LOSSES[name](class_weights=WEIGHTS)
    assert float(loss(labels, logits)) == pytest.approx(
        float(ops.mean(loss.call(labels, logits))), rel=1e-6
    )
    again = type(loss).from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(restored(labels, logits)) == pytest.approx(float(loss(labels, logits)))


def test_errors():
    with pytest.raises(ValueError, match="`class_weights` must not be negative. Received: .*-1"):
        SoftDice(class_weights=(1, -1))
    with pytest.raises(ValueError, match=r"`normalize` must be one of \('mean', 'sum'\).*'batch'"):
        PixelCrossEntropy(normalize="batch")
    with pytest.raises(ValueError, match="`gamma` must not be negative. Received: gamma=-1"):
        PixelFocal(gamma=-1)


def test_names():
    assert set(LOSSES) == {"cross_entropy", "cross_entropy_sum", "focal", "dice", "lovasz"}
    assert all(isinstance(make(), losses.LabelMapLoss) for make in LOSSES.values())
