"""The last step of R-CNN and SPPnet: linear SVMs for classes, ridge regressions for boxes."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_struct.ops import boxes as box_ops

_NORM = 20.0  # mean length that features are scaled to, as in the authors' code
_BIAS = 10.0
_MOST_NEGATIVES = 2000  # of a class in the first round


class Heads(NamedTuple):
    """Settings of the fit, the authors' own.

    Args:
        svm_c: float > 0, weight of the errors of the SVMs.
        positive_weight: float > 0, of errors on objects.
        negative_iou: least IoU with an object of its class at which a region is no negative.
        regression_iou: least IoU of regions that boxes are regressed from.
        ridge: float > 0, weight of the squares of the regressions.
        rounds: int, searches for hard negatives.
    """

    svm_c: float = 1e-3
    positive_weight: float = 2.0
    negative_iou: float = 0.3
    regression_iou: float = 0.6
    ridge: float = 1000.0
    rounds: int = 1


def fit_linear_heads(
    model: keras.Model, dataset: Any, batch_size: int = 2, heads: Heads | None = None
) -> keras.Model:
    """Put linear SVMs and ridge regressions in the place of the last layers of a trained model.

    Objects of an SVM are the true boxes of its class alone, negatives the proposals that overlap
    none of them by `negative_iou`; those it gets wrong are added in `rounds` more fits. A box is
    regressed from proposals near its own. Both become the weights of dense layers, so that the
    model decodes, saves and exports as before.

    Args:
        model: an `RCNN` or `SPPNet`, fine-tuned.
        dataset: a `keras_struct.data` dataset with proposals.
        batch_size: int, images at a time.
        heads: `Heads`; None for the published numbers.

    Returns:
        The model, which scores by a sigmoid of the SVMs from now on.

    Raises:
        ValueError: if the model takes no proposals, or a class has no object.
        ImportError: if scikit-learn is missing: pip install keras-struct[rcnn].

    Source: Girshick et al. 2014, arXiv:1311.2524, sections 2.3 and appendix C; scikit-learn's
    liblinear. Deviation: boxes are regressed from the features of the classes, not from pool5.
    """
    if not getattr(model, "num_proposals", 0) or not hasattr(model, "set_classifier"):
        raise ValueError(
            "`model` must be an RCNN or SPPNet, whose proposals come with the images. "
            f"Received: {type(model).__name__}."
        )
    rows = _collect(model, dataset, batch_size, heads := heads or Heads())
    scale = _NORM / np.linalg.norm(rows.features, axis=1).mean()
    for label in range(model.num_classes):
        if not (rows.is_truth & (rows.labels == label)).any():
            raise ValueError(
                f"`dataset` must hold an object of every class. Received: none of "
                f"{model.class_names[label]!r}."
            )
    svms = [_svm(rows, label, scale, heads) for label in range(model.num_classes)]
    ridges = [_ridge(rows, label, scale, heads) for label in range(model.num_classes)]
    branch = model.box_branch
    background = (np.zeros((rows.features.shape[1], 1)), np.zeros(1))
    pairs = [background, *((kernel[:, None], np.atleast_1d(bias)) for kernel, bias in svms)]
    _assign(branch.classes, pairs)
    _assign(branch.offsets, ridges)
    model.set_classifier("svm")
    return model


class _Rows(NamedTuple):
    """Regions of all images, one a row."""

    features: np.ndarray  # (N, D)
    overlaps: np.ndarray  # (N, C), highest IoU with an object of each class
    labels: np.ndarray  # (N,), class of the nearest object, -1 without one
    best: np.ndarray  # (N,), IoU with it
    offsets: np.ndarray  # (N, 4), of its box
    is_truth: np.ndarray  # (N,), whether it is a true box


def _collect(model, dataset, batch_size, heads):
    """Features of proposals and true boxes; of many far negatives a part."""
    rng = np.random.default_rng(0)
    batches = dataset.batches(
        batch_size, model.image_size, resize=model.resize, fields=model.fields, shuffle=False
    )
    body = model.box_branch
    parts = []
    for inputs, targets in batches:
        truth = {name: np.asarray(x) for name, x in targets["bounding_boxes"].items()}
        proposals = np.asarray(inputs["proposals"])
        boxes = np.concatenate([truth["boxes"], proposals], axis=1)
        levels = {k: v for k, v in model(inputs).items() if k != "proposals"}
        tensor = keras.ops.convert_to_tensor(boxes)
        features = keras.ops.convert_to_numpy(
            body.body(body.features(levels, tensor), training=False)
        )
        for image in range(len(boxes)):
            of_image = {name: value[image] for name, value in truth.items()}
            rows = _rows_of_image(boxes[image], features[image], of_image, model.num_classes)
            parts.append(_thinned(rows, heads, rng))
    return _Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _rows_of_image(boxes, features, truth, num_classes):
    real = truth["labels"] >= 0
    own, labels = truth["boxes"][real], truth["labels"][real]
    padded = len(truth["labels"])
    is_truth = np.concatenate([real, np.zeros(len(boxes) - padded, bool)])
    keep = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, features, is_truth = boxes[keep], features[keep], is_truth[keep]
    iou = (
        keras.ops.convert_to_numpy(box_ops.pairwise_iou(boxes, own))
        if len(own)
        else np.zeros((len(boxes), 0))
    )
    overlaps = np.zeros((len(boxes), num_classes))
    for label in set(labels.tolist()):
        overlaps[:, label] = iou[:, labels == label].max(axis=1)
    if not len(own):
        none = np.full(len(boxes), -1), np.zeros(len(boxes)), np.zeros((len(boxes), 4))
        return _Rows(features, overlaps, *none, is_truth)
    nearest = iou.argmax(axis=1)
    offsets = keras.ops.convert_to_numpy(box_ops.encode(own[nearest], boxes))
    return _Rows(features, overlaps, labels[nearest], iou.max(axis=1), offsets, is_truth)


def _thinned(rows, heads, rng, most=200):
    """All that lies near an object, and at most so many of the others."""
    near = (rows.best >= heads.negative_iou) | rows.is_truth
    far = np.flatnonzero(~near)
    chosen = np.sort(
        np.concatenate([np.flatnonzero(near), rng.permutation(far)[:most]]).astype(int)
    )
    return _Rows(*(column[chosen] for column in rows))


def _svm(rows, label, scale, heads):
    """Kernel (D,) and bias of the SVM of a class, for features as they come."""
    try:
        from sklearn.svm import LinearSVC
    except ImportError:
        raise ImportError("Linear SVMs need scikit-learn: pip install keras-struct[rcnn]") from None

    positive = np.flatnonzero(rows.is_truth & (rows.labels == label))
    negative = np.flatnonzero(rows.overlaps[:, label] < heads.negative_iou)
    rng = np.random.default_rng(label)
    used = rng.permutation(negative)[:_MOST_NEGATIVES]
    for _ in range(heads.rounds + 1):
        chosen = np.concatenate([positive, used])
        target = np.concatenate([np.ones(len(positive)), -np.ones(len(used))])
        svm = LinearSVC(
            C=heads.svm_c,
            loss="hinge",
            intercept_scaling=_BIAS,
            class_weight={1: heads.positive_weight},
            max_iter=20000,
        )
        svm.fit(rows.features[chosen] * scale, target)
        margins = svm.decision_function(rows.features[negative] * scale)
        used = np.union1d(used, negative[margins > -1.0])
    return svm.coef_[0] * scale, float(svm.intercept_[0])


def _ridge(rows, label, scale, heads):
    """Kernel (D, 4) and bias (4,) that regress the offsets of a class' boxes."""
    from sklearn.linear_model import Ridge

    near = (rows.labels == label) & (rows.best >= heads.regression_iou)
    ridge = Ridge(alpha=heads.ridge).fit(rows.features[near] * scale, rows.offsets[near])
    return ridge.coef_.T * scale, ridge.intercept_


def _assign(layer, pairs):
    kernels, biases = zip(*pairs, strict=True)
    layer.set_weights([np.concatenate(kernels, axis=1), np.concatenate(biases)])
