"""R-CNN from proposals to linear SVMs, on images whose objects a linear classifier can tell."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_struct import data, models, training
from keras_struct.models.region_based import rcnn
from keras_struct.ops import boxes as box_ops
from keras_struct.training import linear_heads

pytest.importorskip("sklearn")
CLASSES = ("circle", "square")


class MeanColour(keras.layers.Layer):
    """Features a linear SVM can work on: a coarse picture of the crop."""

    def call(self, crops):
        small = ops.image.resize(crops / 255.0, (4, 4), antialias=True)
        return ops.reshape(small, (-1, 48))


@pytest.fixture(name="dataset")
def dataset_with_proposals():
    shapes, found = data.shapes(12, class_names=CLASSES), data.Proposals()
    rng = np.random.default_rng(0)
    for index in range(12):
        annotation = shapes.annotation(index)
        near = np.repeat(annotation["boxes"], 8, axis=0)
        sides = np.tile(near[:, 2:] - near[:, :2], 2)
        near = near + rng.uniform(-0.12, 0.12, near.shape) * sides
        low = rng.uniform(0, 0.6, (20, 2)) * [annotation["width"], annotation["height"]]
        far = np.concatenate([low, low + rng.uniform(12, 60, (20, 2))], 1)
        found.add(annotation, np.concatenate([near, far]))
    return shapes.with_proposals(found, 60)


@pytest.fixture(name="model")
def small_model(monkeypatch):
    def network(backbone, size, *_):
        crops = keras.Input((size, size, 3))
        return keras.Model(crops, MeanColour()(crops))

    monkeypatch.setattr(rcnn, "_crop_network", network)
    return models.RCNN(
        "mobilenet_v2", 2, 96, num_proposals=60, crop_size=16, context=2, class_names=CLASSES
    )


def test_svms_and_ridges_become_the_dense_layers(model, dataset):
    training.fit_linear_heads(model, dataset, 4, linear_heads.Heads(svm_c=0.1, ridge=1.0))
    assert model.classifier == "svm" and model.decoder().activation == "sigmoid"
    margins = {-1: [], 0: [], 1: []}
    before, after = [], []
    batches = dataset.batches(4, 96, fields=model.fields, shuffle=False)
    for inputs, targets in batches:
        truth = targets["bounding_boxes"]
        levels = {"P0": inputs["images"]}
        found = model.box_branch(levels, inputs["proposals"])
        for image in range(4):
            real = np.asarray(truth["labels"][image]) >= 0
            own, labels = (np.asarray(truth[k][image])[real] for k in ("boxes", "labels"))
            proposals = np.asarray(inputs["proposals"][image])
            iou = np.asarray(box_ops.pairwise_iou(proposals, own))
            deltas = np.asarray(found["box_deltas"][image])
            for row in range(len(proposals)):
                label = int(labels[iou[row].argmax()])
                logits = np.asarray(found["class_logits"][image, row])
                if iou[row].max() > 0.6:
                    margins[label].append(logits[1 + label])
                    moved = np.asarray(box_ops.decode(deltas[row, label], proposals[row]))
                    before.append(iou[row].max())
                    after.append(np.asarray(box_ops.pairwise_iou(moved[None], own)).max())
                elif iou[row].max() < 0.1:
                    margins[-1].append(logits[1:].max())
    for label in (0, 1):
        assert np.mean(margins[label]) > np.mean(margins[-1]) + 0.2
    assert np.mean(after) > np.mean(before)


def test_a_class_without_objects_and_another_model_are_refused(model, dataset):
    with pytest.raises(ValueError, match="`model` must be an RCNN or SPPNet"):
        training.fit_linear_heads(models.SSD("mobilenet_v2_035", 2, 96), dataset)
    labels = [set(dataset.annotation(i)["labels"].tolist()) for i in range(12)]
    only = dataset.subset([i for i in range(12) if labels[i] == {0}][:1] or [0])
    if set(only.annotation(0)["labels"].tolist()) == {0}:
        with pytest.raises(ValueError, match="an object of every class.*'square'"):
            training.fit_linear_heads(model, only)
