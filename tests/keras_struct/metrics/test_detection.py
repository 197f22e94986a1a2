"""DetectionMetrics: cases derived by hand, and equality with the reference on random data."""

import contextlib
import io
import json

import numpy as np
import pytest

from keras_struct.metrics import DetectionMetrics, coco

BOX = [0.0, 0.0, 100.0, 100.0]
HALF = [0.0, 0.0, 100.0, 50.0]  # inside BOX, IoU exactly 0.5
AWAY = [200.0, 200.0, 300.0, 300.0]


def truth(*boxes, labels=None, **fields):
    return {"boxes": list(boxes), "labels": labels or [0] * len(boxes), **fields}


def result(*rows, labels=None):
    boxes, scores = [row[0] for row in rows], [row[1] for row in rows]
    return {"boxes": boxes, "scores": scores, "labels": labels or [0] * len(rows)}


def numbers(*images, names=("a",)):
    metrics = DetectionMetrics(names)
    for index, (one_truth, one_result) in enumerate(images):
        metrics.update(f"{index}.jpg", one_truth, one_result)
    return metrics.result()


def random_image(rng, num_classes):
    """Boxes on a quarter-pixel grid (exact as xyxy and as xywh), detections near and far."""
    n = rng.integers(0, 6)
    low = rng.integers(0, 400, (n, 2)) / 4
    boxes = np.concatenate([low, low + rng.integers(8, 480, (n, 2)) / 4], axis=1)
    labels = rng.integers(0, num_classes, n)
    crowd, areas = rng.random(n) < 0.15, rng.integers(50, 12000, n).astype(float)
    pick = rng.integers(0, n, rng.integers(0, 9)) if n else np.zeros(0, int)
    found = boxes[pick] + rng.integers(-20, 21, (len(pick), 4)) / 4
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    found_labels = np.where(rng.random(len(pick)) < 0.8, labels[pick], 0).astype(int)
    scores = rng.integers(1, 20, len(pick)) / 20  # ties on purpose
    return (
        {"boxes": boxes, "labels": labels, "crowd": crowd, "areas": areas},
        {"boxes": found, "scores": scores, "labels": found_labels},
    )


def to_xywh(boxes):
    return [[b[0], b[1], b[2] - b[0], b[3] - b[1]] for b in np.asarray(boxes).tolist()]


def reference_numbers(images, num_classes, folder):
    """The same images as COCO's own JSON files, through faster-coco-eval directly."""
    from faster_coco_eval import COCO, COCOeval_faster

    annotations, detections = [], []
    for index, (one_truth, one_result) in enumerate(images):
        for i, box in enumerate(to_xywh(one_truth["boxes"])):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 10,
                    "category_id": int(one_truth["labels"][i]) + 3,
                    "bbox": box,
                    "area": float(one_truth["areas"][i]),
                    "iscrowd": int(one_truth["crowd"][i]),
                }
            )
        for i, box in enumerate(to_xywh(one_result["boxes"])):
            detections.append(
                {
                    "image_id": index + 10,
                    "category_id": int(one_result["labels"][i]) + 3,
                    "bbox": box,
                    "score": float(one_result["scores"][i]),
                }
            )
    file = folder / "truth.json"
    categories = [{"id": c + 3, "name": str(c)} for c in range(num_classes)]
    listed = [{"id": i + 10, "width": 300, "height": 300} for i in range(len(images))]
    file.write_text(
        json.dumps({"images": listed, "categories": categories, "annotations": annotations})
    )
    coco = COCO(str(file))
    evaluation = COCOeval_faster(coco, coco.loadRes(detections), iouType="bbox")
    evaluation.run()
    return evaluation.stats.tolist()


def brute_force_voc12(images, label):
    """AP by its definition: the precision envelope summed over every step of recall."""
    rows, num_objects = [], 0
    for index, (one_truth, one_result) in enumerate(images):
        num_objects += int(np.sum((one_truth["labels"] == label) & ~one_truth["crowd"]))
        for box, score, found_label in zip(*one_result.values(), strict=True):
            if found_label == label:
                rows.append((score, index, box))
    taken, hits = set(), []
    for _, index, box in sorted(rows, key=lambda row: -row[0]):
        best, best_iou, in_crowd = None, 0.5, False
        one_truth = images[index][0]
        for i, other in enumerate(one_truth["boxes"]):
            w = max(min(box[2], other[2]) - max(box[0], other[0]), 0)
            h = max(min(box[3], other[3]) - max(box[1], other[1]), 0)
            area = (box[2] - box[0]) * (box[3] - box[1])
            union = area + (other[2] - other[0]) * (other[3] - other[1]) - w * h
            if one_truth["labels"][i] != label:
                continue
            if one_truth["crowd"][i]:
                in_crowd |= w * h / area >= 0.5
            elif w * h / union >= best_iou and (best is None or w * h / union > best_iou):
                best, best_iou = i, w * h / union
        if best is None and in_crowd:
            continue
        hits.append(best is not None and (index, best) not in taken)
        taken.add((index, best))
    if not num_objects:
        return -1.0
    precision = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))]
    return sum(max(precision[k:]) for k, hit in enumerate(hits) if hit) / num_objects


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_reference_on_random_data(seed, tmp_path):
    rng = np.random.default_rng(seed)
    images = [random_image(rng, 3) for _ in range(25)]
    ours = numbers(*images, names=("a", "b", "c"))
    assert list(ours.values())[:12] == reference_numbers(images, 3, tmp_path)
    assert np.mean([v["AP"] for v in ours["per_class"].values()]) == pytest.approx(ours["mAP"])
    for label, name in enumerate("abc"):
        expected = brute_force_voc12(images, label)
        assert ours["per_class"][name]["voc12_AP"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("most_boxes, groups", [(10**6, 1), (60, None), (1, 5)])
def test_classes_evaluated_in_groups_give_the_same_numbers(monkeypatch, most_boxes, groups):
    rng = np.random.default_rng(7)
    images = [random_image(rng, 5) for _ in range(20)]
    expected = numbers(*images, names=tuple("abcde"))
    monkeypatch.setattr(coco, "_MOST_BOXES", most_boxes)
    evaluate, seen = coco._evaluate, []
    monkeypatch.setattr(coco, "_evaluate", lambda *a: seen.append(a[2]) or evaluate(*a))
    assert numbers(*images, names=tuple("abcde")) == expected
    assert [label for labels in seen for label in labels] == [0, 1, 2, 3, 4]
    assert len(seen) == groups if groups else 1 < len(seen) < 5


def test_perfect_detections_score_one():
    image = truth(BOX, AWAY, [0, 0, 20, 20], labels=[0, 1, 0])
    perfect = {**image, "scores": [0.9, 0.8, 0.7]}
    found = numbers((image, perfect), (truth(), result()), names=("a", "b"))
    for name in ("mAP", "mAP_50", "mAP_75", "mAP_small", "AR_100", "voc07_mAP", "voc12_mAP"):
        assert found[name] == pytest.approx(1.0), name
    assert found["mAP_medium"] == -1.0  # no object between 32 x 32 and 96 x 96 pixels
    assert found["per_class"]["b"] == pytest.approx({"AP": 1.0, "AP_50": 1.0, "voc12_AP": 1.0})


def test_two_of_three_found_by_hand():
    """Hits 1, 0, 1 of 2 objects: precision 1, 1/2, 2/3; recall 1/2, 1/2, 1.

    All points: 1/2 * 1 + 1/2 * 2/3 = 5/6. Eleven points: 6 * 1 (recall 0 ... .5), 5 * 2/3.
    """
    rows = result((BOX, 0.9), ([150, 0, 160, 10], 0.8), (AWAY, 0.7))
    found = numbers((truth(BOX, AWAY), rows))
    assert found["voc12_mAP"] == pytest.approx(5 / 6)
    assert found["voc07_mAP"] == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_a_second_hit_on_the_same_object_is_false():
    rows = result((BOX, 0.6), (BOX, 0.9), (AWAY, 0.3))
    found = numbers((truth(BOX, AWAY), rows))
    assert found["voc12_mAP"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["mAP_50"] < 1.0


def test_overlap_of_exactly_one_half_is_a_hit():
    assert numbers((truth(BOX), result((HALF, 0.5))))["voc12_mAP"] == 1.0
    below = [0.0, 0.0, 100.0, 49.99]
    assert numbers((truth(BOX), result((below, 0.5))))["voc12_mAP"] == 0.0


def test_recall_of_three_tenths_reaches_the_fourth_point():
    """3 of 10 objects at precision 1: points 0, .1, .2, .3 count, and 0.1 * 3 > 3 / 10."""
    boxes = [[i * 20, 0, i * 20 + 10, 10] for i in range(10)]
    rows = result(*[(box, 0.9) for box in boxes[:3]])
    assert numbers((truth(*boxes), rows))["voc07_mAP"] == pytest.approx(4 / 11)


def test_difficult_objects_count_for_coco_only():
    image = truth(BOX, AWAY, difficult=[False, True])
    missed, hit = result((BOX, 0.9)), result((BOX, 0.9), (AWAY, 0.95), (AWAY, 0.91))
    assert numbers((image, missed))["voc12_mAP"] == 1.0
    assert numbers((image, hit))["voc12_mAP"] == 1.0  # every hit on it is ignored, not only one
    assert numbers((image, missed))["AR_100"] == pytest.approx(0.5)


def test_detections_inside_a_crowd_do_not_count():
    image = truth(BOX, AWAY, crowd=[False, True])
    inside = [210.0, 210.0, 220.0, 220.0]  # IoU with the crowd 0.01, but wholly inside it
    found = numbers((image, result((inside, 0.99), (inside, 0.98), (BOX, 0.9))))
    assert found["mAP"] == found["voc12_mAP"] == pytest.approx(1.0)


def test_undefined_is_minus_one_and_nothing_found_is_zero():
    nothing = numbers((truth(), result((BOX, 0.9))))
    assert {v for k, v in nothing.items() if k != "per_class"} == {-1.0}
    assert numbers()["mAP"] == numbers()["voc12_mAP"] == -1.0
    missed = numbers((truth(BOX), result()), names=("a", "absent"))
    assert missed["mAP"] == missed["voc07_mAP"] == missed["voc12_mAP"] == missed["AR_100"] == 0.0
    assert missed["per_class"]["absent"] == {"AP": -1.0, "AP_50": -1.0, "voc12_AP": -1.0}


def test_order_of_images_and_of_boxes_does_not_matter():
    rng = np.random.default_rng(0)
    images = [random_image(rng, 2) for _ in range(8)]
    for _, found in images:
        found["scores"] = rng.random(len(found["scores"]))
    turned = [
        ({k: v[::-1] for k, v in t.items()}, {k: v[::-1] for k, v in r.items()})
        for t, r in images[::-1]
    ]
    assert numbers(*images, names=("a", "b")) == numbers(*turned, names=("a", "b"))


def test_silent_and_reset():
    metrics = DetectionMetrics(["a"])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        metrics.update(1, truth(BOX), result((BOX, 0.5)))
        first = metrics.result()
    assert out.getvalue() == err.getvalue() == ""
    metrics.reset()
    assert len(metrics) == 0
    metrics.update(1, truth(BOX), result((BOX, 0.5)))
    assert metrics.result() == first


@pytest.mark.parametrize(
    ("one_truth", "one_result", "message"),
    [
        ({"boxes": []}, result(), r"truth of image 7 must have .*'labels'"),
        (truth(BOX), {"boxes": [], "labels": []}, r"result of image 7 must have .*'scores'"),
        (truth([0, 0, 1]), result(), r"`boxes` in the truth .* shape \(N, 4\)"),
        (truth([0, 0, 1, float("nan")]), result(), "finite=False"),
        (truth(BOX, labels=[0, 0]), result(), "`labels` .* Received: 2 for 1 boxes"),
        (truth(BOX, crowd=[True, False]), result(), "`crowd` .* Received: 2 for 1 boxes"),
        (truth(BOX), result((BOX, 0.5), labels=[-1]), r"\[0, 1\).* Drop padding"),
        (truth(BOX, labels=[1]), result(), r"`labels` in the truth of image 7 must be in \[0, 1\)"),
    ],
)
def test_bad_fields_are_named(one_truth, one_result, message):
    with pytest.raises(ValueError, match=message):
        DetectionMetrics(["a"]).update(7, one_truth, one_result)


def test_other_errors():
    metrics = DetectionMetrics(["a"])
    metrics.update("x.jpg", truth(), result())
    with pytest.raises(ValueError, match="image_id='x.jpg' a second time"):
        metrics.update("x.jpg", truth(), result())
    for names in ("cat", [], ["a", "a"]):
        with pytest.raises(ValueError, match="`class_names` must be a non-empty sequence"):
            DetectionMetrics(names)
