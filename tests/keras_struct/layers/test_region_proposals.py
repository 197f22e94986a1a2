import keras
import numpy as np
import pytest
from keras import ops

from keras_struct.layers.region_decoder import RegionDecoder
from keras_struct.layers.region_proposals import RegionProposals
from keras_struct.ops.anchors import anchor_sizes, grid_anchors


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.maximum(high - low, 0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def decoded(deltas, anchors):
    size, middle = anchors[:, 2:] - anchors[:, :2], (anchors[:, 2:] + anchors[:, :2]) / 2
    centre = deltas[:, :2] * size + middle
    half = np.exp(np.minimum(deltas[:, 2:], np.log(1000 / 16))) * size / 2
    return np.concatenate([centre - half, centre + half], 1)


def greedy(boxes, scores, threshold):
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] > 0 and all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def levels(image_size=(48, 64)):
    cells = {"P3": (6, 8), "P4": (3, 4)}
    sizes = anchor_sizes(cells, (2,))
    return {
        name: grid_anchors({name: sizes[name]}, {name: cells[name]}, image_size) for name in cells
    }


def plain(logits, deltas, anchors, image_size, pre, post, threshold, min_size):
    """Proposals of one image, written out."""
    rows, start = [], 0
    for own in anchors.values():
        stop = start + len(own)
        best = np.argsort(-logits[start:stop], kind="stable")[:pre]
        boxes = decoded(deltas[start:stop][best], own[best])
        boxes = np.clip(boxes, 0, [image_size[1], image_size[0]] * 2)
        scores = 1 / (1 + np.exp(-logits[start:stop][best]))
        scores = np.where((boxes[:, 2:] - boxes[:, :2]).min(1) > min_size, scores, 0)
        rows += [(scores[i], boxes[i]) for i in greedy(boxes, scores, threshold)]
        start = stop
    rows.sort(key=lambda row: -row[0])
    return np.array([box for _, box in rows[:post]])


@pytest.mark.agnostic
@pytest.mark.parametrize("min_size", [0.0, 12.0])
def test_proposals_equal_the_rule_written_out(min_size):
    rng = np.random.default_rng(0)
    anchors = levels()
    count = sum(map(len, anchors.values()))
    logits = rng.normal(size=(2, count)).astype("float32")
    deltas = rng.normal(scale=0.3, size=(2, count, 4)).astype("float32")
    layer = RegionProposals(anchors, (48, 64), 30, 15, 0.5, min_size)
    found = layer(logits, deltas)
    for image in range(2):
        own = plain(logits[image], deltas[image], anchors, (48, 64), 30, 15, 0.5, min_size)
        boxes = ops.convert_to_numpy(found["boxes"])[image]
        np.testing.assert_allclose(boxes[: len(own)], own, atol=1e-3)
        assert not boxes[len(own) :].any()


@pytest.mark.agnostic
def test_huge_offsets_are_limited_and_boxes_stay_inside():
    anchors = levels()
    count = sum(map(len, anchors.values()))
    deltas = np.full((1, count, 4), 1e4, "float32")
    found = RegionProposals(anchors, (48, 64), 30, 15)(np.zeros((1, count), "float32"), deltas)
    boxes = ops.convert_to_numpy(found["boxes"])
    assert np.isfinite(boxes).all() and boxes.min() >= 0 and boxes.max() <= 64


def test_a_saved_layer_gives_the_same(tmp_path):
    anchors = levels()
    count = sum(map(len, anchors.values()))
    inputs = keras.Input((count,)), keras.Input((count, 4))
    model = keras.Model(inputs, RegionProposals(anchors, (48, 64), 20, 9, 0.6, 4.0)(*inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    rng = np.random.default_rng(1)
    data = [rng.normal(size=(1, count)), rng.normal(size=(1, count, 4)) * 0.2]
    data = [x.astype("float32") for x in data]
    np.testing.assert_array_equal(model(data)["boxes"], again(data)["boxes"])


@pytest.mark.agnostic
@pytest.mark.parametrize("shared", [False, True])
def test_decoding_equals_the_rule_written_out(shared):
    rng = np.random.default_rng(2)
    low = rng.uniform(0, 40, (1, 12, 2))
    regions = np.concatenate([low, low + rng.uniform(8, 20, (1, 12, 2))], -1).astype("float32")
    regions[0, 10:] = 0  # padding
    logits = rng.normal(scale=2, size=(1, 12, 4)).astype("float32")
    deltas = rng.normal(size=(1, 12, 1 if shared else 3, 4)).astype("float32")
    layer = RegionDecoder((48, 64), score_threshold=0.1, iou_threshold=0.4, max_detections=20)
    found = layer({"class_logits": logits, "box_deltas": deltas}, regions)
    scores = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)
    rows = []
    for label in range(3):
        offsets = deltas[0, :10, 0 if shared else label] * [0.1, 0.1, 0.2, 0.2]
        boxes = np.clip(decoded(offsets, regions[0, :10]), 0, [64, 48] * 2)
        own = np.where(scores[:10, label + 1] > 0.1, scores[:10, label + 1], 0)
        rows += [(own[i], label, boxes[i]) for i in greedy(boxes, own, 0.4)]
    rows.sort(key=lambda row: -row[0])
    number = int(found["num_detections"][0])
    assert number == len(rows) > 3
    np.testing.assert_array_equal(found["labels"][0][:number], [row[1] for row in rows])
    np.testing.assert_allclose(found["scores"][0][:number], [row[0] for row in rows], rtol=1e-4)
    np.testing.assert_allclose(found["boxes"][0][:number], [row[2] for row in rows], atol=1e-3)


def test_anchors_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="`anchors` must be"):
        RegionProposals({"P3": np.zeros((5, 3))}, (48, 64))
