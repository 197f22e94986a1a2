import numpy as np
import pytest
from keras import ops

from keras_struct.losses import head_losses
from keras_struct.losses.proposal_loss import ProposalLoss
from keras_struct.ops import boxes as box_ops

pytestmark = pytest.mark.agnostic


def softplus(x):
    return np.logaddexp(0, x)


def log_softmax(x):
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def smooth_l1(x, delta):
    x = np.abs(x)
    return np.where(x < delta, x * x / (2 * delta), x - delta / 2).sum(-1)


def scene(rng, anchors=60):
    low = rng.uniform(-5, 50, (anchors, 2))
    grid = np.concatenate([low, low + rng.uniform(8, 30, (anchors, 2))], 1).astype("float32")
    boxes = grid[rng.permutation(anchors)[:3]] + rng.uniform(-3, 3, (3, 4)).astype("float32")
    truth = {"boxes": boxes[None], "labels": np.array([[0, 1, -1]])}
    raw = {
        "rpn_logits": rng.normal(size=(1, anchors)).astype("float32"),
        "rpn_deltas": rng.normal(size=(1, anchors, 4)).astype("float32"),
    }
    return grid, truth, raw, rng.uniform(size=(1, anchors)).astype("float32")


@pytest.mark.parametrize("border", [None, 0.0])
def test_proposal_loss_equals_numpy(border):
    grid, truth, raw, noise = scene(np.random.default_rng(1))
    loss = ProposalLoss((64, 80), count=20, border=border)
    found = loss.call(truth, raw, grid, noise)
    matches, positive, drawn = (ops.convert_to_numpy(x)[0] for x in loss.draw(truth, grid, noise))
    logits, deltas = raw["rpn_logits"][0], raw["rpn_deltas"][0]
    entropy = sum(
        softplus(-logits[i]) if positive[i] else softplus(logits[i]) for i in np.where(drawn)[0]
    )
    moved = 0.0
    for i in np.where(positive)[0]:
        box, anchor = truth["boxes"][0, matches[i]], grid[i]
        target = ops.convert_to_numpy(box_ops.encode(box[None], anchor[None], (1, 1, 1, 1)))[0]
        moved += smooth_l1(deltas[i] - target, 1 / 9)
    np.testing.assert_allclose(found["rpn_class_loss"], [entropy / drawn.sum()], rtol=1e-5)
    np.testing.assert_allclose(found["rpn_box_loss"], [moved / drawn.sum()], rtol=1e-5)
    inside = (grid >= 0).all(1) & (grid[:, 2] <= 80) & (grid[:, 3] <= 64)
    assert drawn.sum() == 20 if border is None else not (drawn & ~inside).any()
    assert positive.sum() > 0


def test_an_image_without_boxes_trains_on_background_only():
    grid, truth, raw, noise = scene(np.random.default_rng(2))
    truth["labels"] = np.full((1, 3), -1)
    found = ProposalLoss((64, 80), count=20).call(truth, raw, grid, noise)
    assert float(found["rpn_box_loss"][0]) == 0 and float(found["rpn_class_loss"][0]) > 0


def regions(rng, classes=3):
    labels = np.array([[2, 0, -1, -1, -2], [-1, -1, -2, -2, -2]], "int32")
    return {"labels": labels, "deltas": rng.normal(size=(2, 5, 4)).astype("float32")}


def test_class_loss_equals_numpy():
    rng = np.random.default_rng(3)
    drawn, logits = regions(rng), rng.normal(size=(2, 5, 4)).astype("float32")
    found = head_losses.region_class_loss(drawn, logits)
    scores = log_softmax(logits)
    first = -np.mean([scores[0, i, k] for i, k in enumerate([3, 1, 0, 0])])
    second = -np.mean(scores[1, :2, 0])
    np.testing.assert_allclose(found, [first, second], rtol=1e-5)


def test_hard_regions_are_those_of_highest_summed_loss():
    rng = np.random.default_rng(11)
    drawn, logits = regions(rng), rng.normal(size=(2, 5, 4)).astype("float32")
    deltas = rng.normal(size=(2, 5, 3, 4)).astype("float32")
    found = head_losses.hard_regions(drawn, logits, deltas, 2)
    labels, scores = drawn["labels"], log_softmax(logits)
    for image in range(2):
        losses = []
        for i, label in enumerate(labels[image]):
            moved = smooth_l1(deltas[image, i, label] - drawn["deltas"][image, i], 1.0)
            entropy = -scores[image, i, label + 1]
            losses.append(-1 if label == -2 else entropy + (moved if label >= 0 else 0))
        worst = set(np.argsort(losses)[-2:].tolist())
        plain = [label if i in worst else -2 for i, label in enumerate(labels[image])]
        np.testing.assert_array_equal(found["labels"][image], plain)


@pytest.mark.parametrize("classes", [3, 1])
def test_box_loss_reads_the_own_class_only_and_no_background(classes):
    rng = np.random.default_rng(4)
    drawn, deltas = regions(rng), rng.normal(size=(2, 5, classes, 4)).astype("float32")
    found = head_losses.region_box_loss(drawn, deltas)
    own = [deltas[0, 0, min(2, classes - 1)], deltas[0, 1, 0]]
    plain = sum(smooth_l1(own[i] - drawn["deltas"][0, i], 1.0) for i in (0, 1)) / 4
    np.testing.assert_allclose(found, [plain, 0.0], rtol=1e-5)


def test_mask_loss_reads_the_own_class_only():
    rng = np.random.default_rng(5)
    labels = np.array([[1, -1, 0], [-1, -2, -1]], "int32")
    logits = rng.normal(size=(2, 3, 4, 4, 2)).astype("float32")
    targets = (rng.uniform(size=(2, 3, 4, 4)) < 0.5).astype("float32")
    found = head_losses.region_mask_loss(targets, logits, labels)
    entropies = []
    for p, c in ((0, 1), (2, 0)):
        x, t = logits[0, p, ..., c], targets[0, p]
        entropies.append(np.mean(t * softplus(-x) + (1 - t) * softplus(x)))
    np.testing.assert_allclose(found, [np.mean(entropies), 0.0], rtol=1e-5)
    logits[0, 0, ..., 0] += 100  # another class's mask
    again = head_losses.region_mask_loss(targets, logits, labels)
    np.testing.assert_allclose(again, found, rtol=1e-6)


def test_keypoint_loss_is_a_softmax_over_the_cells_of_visible_points():
    rng = np.random.default_rng(6)
    logits = rng.normal(size=(2, 2, 3, 4, 5)).astype("float32")
    targets = rng.integers(0, 12, (2, 2, 5)).astype("int32")
    visible = np.zeros((2, 2, 5), bool)
    visible[0, 0, 1] = visible[0, 1, 4] = True
    found = head_losses.region_keypoint_loss(targets, visible, logits)
    scores = [
        log_softmax(logits[0, p, ..., j].reshape(-1))[targets[0, p, j]] for p, j in ((0, 1), (1, 4))
    ]
    np.testing.assert_allclose(found, [-np.mean(scores), 0.0], rtol=1e-5)
