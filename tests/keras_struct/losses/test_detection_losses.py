"""The whole SSD loss against a plain NumPy version, and its gradients by finite differences."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_struct import losses
from keras_struct.ops import boxes as box_ops

NUM_CLASSES = 3


def scene(seed, num_images=3, num_anchors=40, num_boxes=4):
    rng = np.random.default_rng(seed)

    def boxes(*shape):
        corner = rng.uniform(0, 60, (*shape, 2))
        return np.concatenate([corner, corner + rng.uniform(8, 30, (*shape, 2))], -1)

    labels = rng.integers(0, NUM_CLASSES, (num_images, num_boxes))
    labels[0, 2:] = -1
    labels[1] = -1  # an image without objects
    truth = {"boxes": boxes(num_images, num_boxes).astype("float32"), "labels": labels}
    return truth, boxes(num_anchors).astype("float32")


def predictions(seed, targets, num_scores):
    rng = np.random.default_rng(seed)
    batch, anchors = targets["labels"].shape
    return {
        "box_deltas": rng.normal(size=(batch, anchors, 4)).astype("float32"),
        "class_logits": rng.normal(size=(batch, anchors, num_scores)).astype("float32"),
    }


def to_numpy(tree):
    return {name: ops.convert_to_numpy(value) for name, value in tree.items()}


def smooth_l1_numpy(targets, predicted):
    total = 0.0
    for image, anchor in zip(*np.nonzero(targets["labels"] >= 0), strict=True):
        for t, p in zip(targets["deltas"][image, anchor], predicted[image, anchor], strict=True):
            d = abs(t - p)
            total += 0.5 * d * d if d < 1 else d - 0.5
    return total / max((targets["labels"] >= 0).sum(), 1)


def multibox_numpy(targets, logits, ratio=3):
    total = 0.0
    for labels, rows in zip(targets["labels"], logits.astype("float64"), strict=True):
        log_p = rows - np.log(np.exp(rows).sum(-1, keepdims=True))
        positives = np.flatnonzero(labels >= 0)
        background = np.argsort(log_p[:, 0], kind="stable")
        negatives = [i for i in background if labels[i] < 0][: int(ratio * len(positives))]
        total -= sum(log_p[i, labels[i] + 1] for i in positives) + sum(log_p[negatives, 0])
    return total / max((targets["labels"] >= 0).sum(), 1)


def focal_numpy(targets, logits, alpha=0.25, gamma=2.0):
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    own = np.arange(NUM_CLASSES) == targets["labels"][..., None]
    values = np.where(
        own, -alpha * (1 - p) ** gamma * np.log(p), -(1 - alpha) * p**gamma * np.log(1 - p)
    )
    values = values[targets["labels"] != -2]
    return values.sum() / max((targets["labels"] >= 0).sum(), 1)


@pytest.mark.agnostic
@pytest.mark.parametrize("seed", range(4))
def test_focal_loss_leaves_out_what_is_neither_object_nor_background(seed):
    truth, anchors = scene(seed)
    loss = losses.FocalClassLoss()
    targets = losses.assign_targets(truth, anchors, background_threshold=0.2)
    plain, predicted = to_numpy(targets), predictions(seed, targets, NUM_CLASSES)
    assert (plain["labels"] == -2).any()
    expected = focal_numpy(plain, predicted["class_logits"])
    np.testing.assert_allclose(loss(targets, predicted), expected, rtol=2e-5)


@pytest.mark.agnostic
@pytest.mark.parametrize("seed", range(4))
def test_losses_equal_plain_numpy(seed):
    truth, anchors = scene(seed)
    targets = losses.assign_targets(truth, anchors)
    plain = to_numpy(targets)
    with_background = predictions(seed, targets, NUM_CLASSES + 1)
    without = predictions(seed, targets, NUM_CLASSES)
    for loss, predicted, expected in (
        (
            losses.SmoothL1BoxLoss(),
            without,
            smooth_l1_numpy(plain, without["box_deltas"]),
        ),
        (
            losses.HardNegativeCrossEntropy(),
            with_background,
            multibox_numpy(plain, with_background["class_logits"]),
        ),
        (losses.FocalClassLoss(), without, focal_numpy(plain, without["class_logits"])),
    ):
        np.testing.assert_allclose(loss(targets, predicted), expected, rtol=2e-5)


@pytest.mark.agnostic
def test_targets_are_the_matched_box_and_its_class():
    anchors = np.float32([[0, 0, 10, 10], [20, 20, 40, 40], [60, 60, 70, 70]])
    truth = {
        "boxes": np.float32([[[22, 20, 42, 40], [0, 0, 0, 0]]]),
        "labels": np.int32([[2, -1]]),
    }
    targets = to_numpy(losses.assign_targets(truth, anchors))
    assert targets["labels"].tolist() == [[-1, 2, -1]] and targets["num_positive"] == 1
    np.testing.assert_allclose(targets["deltas"][0, 1], [1.0, 0, 0, 0], atol=1e-5)
    assert np.isfinite(targets["deltas"]).all()
    boxes = ops.convert_to_numpy(box_ops.decode(targets["deltas"], anchors))
    np.testing.assert_allclose(boxes[0, 1], truth["boxes"][0, 0], atol=1e-4)


@pytest.mark.agnostic
def test_an_image_without_objects_contributes_nothing():
    truth, anchors = scene(0)
    truth["labels"][:] = -1
    targets = losses.assign_targets(truth, anchors)
    predicted = predictions(0, targets, NUM_CLASSES + 1)
    assert float(losses.SmoothL1BoxLoss()(targets, predicted)) == 0.0
    assert float(losses.HardNegativeCrossEntropy()(targets, predicted)) == 0.0


@pytest.mark.agnostic
def test_an_empty_image_beside_others_has_zero_loss_of_its_own():
    truth, anchors = scene(1)
    targets = losses.assign_targets(truth, anchors)
    predicted = predictions(1, targets, NUM_CLASSES + 1)
    per_image = ops.convert_to_numpy(losses.HardNegativeCrossEntropy().call(targets, predicted))
    assert per_image[1] == 0.0 and (per_image[[0, 2]] > 0).all()


def test_losses_are_divided_by_the_matches_of_the_whole_batch():
    truth, anchors = scene(2)
    targets = losses.assign_targets(truth, anchors)
    predicted = predictions(2, targets, NUM_CLASSES + 1)
    twice = {"labels": np.concatenate([truth["labels"]] * 2)}
    twice["boxes"] = np.concatenate([truth["boxes"]] * 2)
    doubled = {name: np.concatenate([value] * 2) for name, value in predicted.items()}
    for loss in (losses.SmoothL1BoxLoss(), losses.HardNegativeCrossEntropy()):
        once = loss(targets, predicted)
        again = loss(losses.assign_targets(twice, anchors), doubled)
        np.testing.assert_allclose(once, again, rtol=1e-5)


class _Free(keras.layers.Layer):
    """Predictions that are weights, so that any backend can differentiate by them."""

    def __init__(self, values):
        super().__init__(name="free")
        self.free = {
            name: self.add_weight(shape=value.shape, name=name) for name, value in values.items()
        }
        for name, value in values.items():
            self.free[name].assign(value)

    def call(self, inputs):
        return {name: weight + 0.0 * inputs for name, weight in self.free.items()}


@pytest.mark.agnostic
@pytest.mark.parametrize(
    "loss, num_scores, name",
    [
        (losses.SmoothL1BoxLoss(), NUM_CLASSES, "box_deltas"),
        (losses.HardNegativeCrossEntropy(), NUM_CLASSES + 1, "class_logits"),
        (losses.FocalClassLoss(), NUM_CLASSES, "class_logits"),
    ],
)
def test_gradient_by_finite_differences(loss, num_scores, name):
    """One plain SGD step with rate 1 moves the predictions by minus the gradient."""
    truth, anchors = scene(3)
    targets = losses.assign_targets(truth, anchors)
    start = predictions(3, targets, num_scores)

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.free = _Free(start)

        def call(self, inputs):
            return self.free(inputs)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return loss(targets, y_pred)

    model = Model()
    model.compile(keras.optimizers.SGD(1.0))
    model.train_on_batch(np.zeros((1, 1, 1), "float32"), np.zeros((1,), "float32"))
    moved = ops.convert_to_numpy(model.free.free[name])
    gradient = start[name] - moved

    rng = np.random.default_rng(0)
    positive = np.argwhere(ops.convert_to_numpy(targets["labels"]) >= 0)
    for image, anchor in positive[rng.permutation(len(positive))[:6]]:
        entry = (image, anchor, int(rng.integers(start[name].shape[-1])))
        values = []
        for step in (1e-2, -1e-2):
            shifted = {key: value.copy() for key, value in start.items()}
            shifted[name][entry] += step
            values.append(float(loss(targets, shifted)))
        numeric = (values[0] - values[1]) / 2e-2
        np.testing.assert_allclose(gradient[entry], numeric, atol=2e-4, rtol=2e-2)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: losses.SmoothL1BoxLoss(delta=0), "`delta` must be positive"),
        (lambda: losses.HardNegativeCrossEntropy(-1), "`negative_ratio` must be positive"),
        (lambda: losses.FocalClassLoss(alpha=1.0), r"`alpha` must be in \(0, 1\)"),
        (lambda: losses.FocalClassLoss(gamma=-1), "`gamma` must be at least 0"),
    ],
)
def test_arguments_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_configs_round_trip():
    for loss in (
        losses.SmoothL1BoxLoss(0.5),
        losses.HardNegativeCrossEntropy(2.0),
        losses.FocalClassLoss(0.4, 1.5),
    ):
        again = type(loss).from_config(loss.get_config())
        assert again.get_config() == loss.get_config()


@pytest.mark.agnostic
def test_image_mean_weighs_images():
    values = np.float32([1.0, 3.0])
    assert float(losses.ImageMean()(values, values)) == 2.0
    assert float(losses.ImageMean()(values, values, sample_weight=np.float32([0, 1]))) == 1.5
