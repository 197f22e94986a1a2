"""AP of masks and keypoints: cases derived by hand, and equality with slow loops on random data."""

import brute_coco
import numpy as np
import pytest

from keras_struct.metrics import DetectionMetrics
from keras_struct.metrics.details import COCO_SIGMAS
from keras_struct.ops import run_lengths

SIZE = (60, 80)
NUMBERS = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large")


def rectangle(left, top, right, bottom, size=SIZE):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def numbers(*images, names=("a",), **options):
    metrics = DetectionMetrics(names, **options)
    for index, (truth, result) in enumerate(images):
        metrics.update(index, truth, result)
    return metrics.result()


def image(truth_masks, found_masks, scores=None, **truth):
    """Boxes that fit no mask: the masks alone must decide."""
    boxes = [[0, 0, 5, 5]] * len(truth_masks), [[50, 50, 60, 60]] * len(found_masks)
    scores = [0.9] * len(found_masks) if scores is None else scores
    return (
        {"boxes": boxes[0], "labels": [0] * len(boxes[0]), "masks": truth_masks, **truth},
        {"boxes": boxes[1], "labels": [0] * len(boxes[1]), "scores": scores, "masks": found_masks},
    )


def forms(masks):
    """The same masks in every form that is taken."""
    packed = run_lengths.encode(masks)
    text = [{**one, "counts": one["counts"].decode()} for one in packed]
    lists = []
    for mask in masks:
        edges = np.flatnonzero(np.diff(mask.ravel(order="F"))) + 1  # the first pixel is outside
        counts = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
        lists.append({"size": list(mask.shape), "counts": counts})
    return [np.array(masks), np.array(masks, "uint8") * 255, packed, text, lists]


@pytest.mark.parametrize("form", range(5))
def test_perfect_masks_score_one_in_every_form(form):
    masks = [rectangle(2, 3, 20, 30), rectangle(30, 5, 79, 59)]
    truth, result = image(forms(masks)[form], forms(masks)[-1 - form], areas=[400, 1500])
    found = numbers((truth, result))
    assert found["mask_mAP"] == found["mask_mAP_50"] == pytest.approx(1.0)
    assert found["mask_mAP_small"] == found["mask_mAP_medium"] == pytest.approx(1.0)
    assert found["mask_mAP_large"] == -1.0 and found["mAP"] == 0.0
    assert found["per_class"]["a"]["mask_AP"] == pytest.approx(1.0)
    assert "keypoint_mAP" not in found


def test_a_shifted_mask_passes_the_thresholds_below_its_iou():
    """20 x 20 shifted by 4: 16 x 20 shared of 24 x 20, IoU 2/3: thresholds .50 to .65 of ten."""
    truth, result = image([rectangle(0, 0, 20, 20)], [rectangle(4, 0, 24, 20)])
    found = numbers((truth, result))
    assert found["mask_mAP"] == pytest.approx(0.4)
    assert found["mask_mAP_50"] == pytest.approx(1.0) and found["mask_mAP_75"] == 0.0
    assert found["per_class"]["a"] | {"mask_AP": 0.4, "mask_AP_50": 1.0} == pytest.approx(
        found["per_class"]["a"]
    )


def test_undefined_and_nothing_found():
    empty = numbers(image([], [rectangle(0, 0, 5, 5)]))
    assert {empty[f"mask_{name}"] for name in NUMBERS} == {-1.0}
    missed = numbers(image([rectangle(0, 0, 5, 5)], []), names=("a", "absent"))
    assert missed["mask_mAP"] == missed["mask_mAP_small"] == 0.0
    assert missed["per_class"]["absent"]["mask_AP"] == -1.0


def random_image(rng, num_classes, keypoints=5):
    """Rectangles and what was found: rectangles moved a little; keypoints on a grid, moved too."""
    n = int(rng.integers(0, 6))
    k = int(rng.integers(0, 9)) if n else 2
    pick = rng.integers(0, n, k) if n else np.zeros(0, int)
    corners = np.stack([rng.integers(0, 60, n), rng.integers(0, 40, n)], 1)
    sides = rng.integers(3, 60, (n, 2))
    moved = np.clip(corners[pick] + rng.integers(-3, 4, (len(pick), 2)), 0, None)
    grown = np.maximum(2, sides[pick] + rng.integers(-3, 4, (len(pick), 2)))
    points = np.concatenate(
        [rng.integers(0, 60, (n, keypoints, 2)), rng.integers(0, 3, (n, keypoints, 1))], -1
    ).astype(float)
    found = points[pick] + rng.integers(-2, 3, (len(pick), keypoints, 3))
    found[..., 2] = 0.5
    labels = rng.integers(0, num_classes, n)
    masks = [rectangle(*c, *(c + s)) for c, s in zip(corners, sides, strict=True)]
    truth = {
        "boxes": np.concatenate([corners, corners + sides], 1).astype(float),
        "labels": labels,
        "masks": masks,
        "keypoints": points,
        "crowd": rng.random(n) < 0.2,
        "areas": np.array([m.sum() for m in masks], float),
    }
    result = {
        "boxes": np.concatenate([moved, moved + grown], 1).astype(float),
        "labels": np.where(rng.random(len(pick)) < 0.8, labels[pick], 0).astype(int),
        "scores": rng.permutation(1000)[: len(pick)] / 1000 + rng.random(),
        "masks": [rectangle(*c, *(c + s)) for c, s in zip(moved, grown, strict=True)],
        "keypoints": found,
    }
    return truth, result


def compared(truth, result, overlaps, areas, ignored):
    return {
        **{f"truth_{name}": truth[name] for name in ("labels", "areas")},
        "truth_ignored": ignored,
        "crowd": truth["crowd"],
        "labels": result["labels"],
        "scores": result["scores"],
        "areas": areas,
        "overlaps": overlaps.reshape(len(result["labels"]), len(truth["labels"])),
    }


def as_masks(truth, result):
    rows = list(zip(truth["masks"], truth["crowd"], strict=True))
    overlaps = [[brute_coco.mask_overlap(f, *row) for row in rows] for f in result["masks"]]
    areas = [mask.sum() for mask in result["masks"]]
    return compared(truth, result, np.array(overlaps), areas, truth["crowd"])


def as_keypoints(truth, result, sigmas):
    rows = list(zip(truth["keypoints"], truth["areas"], truth["boxes"], strict=True))
    overlaps = np.array(
        [[brute_coco.oks(f, *t, sigmas) for t in rows] for f in result["keypoints"]]
    )
    spans = [np.ptp(points[:, 0]) * np.ptp(points[:, 1]) for points in result["keypoints"]]
    unseen = np.array([not (points[:, 2] > 0).any() for points in truth["keypoints"]], bool)
    return compared(truth, result, overlaps, spans, truth["crowd"] | unseen)


def assert_equal_to_loops(found, word, images, most, ranges):
    thresholds = {"": brute_coco.THRESHOLDS, "_50": [0.5], "_75": [0.75]}
    for suffix, at in thresholds.items():
        by_class, mean = brute_coco.means(images, 3, thresholds=at, most=most)
        assert found[f"{word}_mAP{suffix}"] == pytest.approx(mean, abs=1e-9), suffix
        if suffix != "_75":
            own = [found["per_class"][name][f"{word}_AP{suffix}"] for name in "abc"]
            assert own == pytest.approx(by_class, abs=1e-9)
    for suffix in ranges:
        _, mean = brute_coco.means(images, 3, brute_coco.RANGES[suffix], most=most)
        assert found[f"{word}_mAP{suffix}"] == pytest.approx(mean, abs=1e-9), suffix
    assert 0.02 < found[f"{word}_mAP"] < 0.98


@pytest.mark.parametrize("seed", range(3))
def test_masks_equal_slow_loops(seed):
    rng = np.random.default_rng(seed)
    images = [random_image(rng, 3) for _ in range(15)]
    found = numbers(*images, names=tuple("abc"))
    loops = [as_masks(*one) for one in images]
    assert_equal_to_loops(found, "mask", loops, 100, ("_small", "_medium"))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("given", [False, True])
def test_keypoints_equal_slow_loops(seed, given):
    rng = np.random.default_rng(seed)
    images = [random_image(rng, 3) for _ in range(15)]
    sigmas = [0.02, 0.1, 0.05, 0.2, 0.03] if given else [0.05] * 5
    found = numbers(*images, names=tuple("abc"), keypoint_sigmas=sigmas if given else None)
    loops = [as_keypoints(*one, sigmas) for one in images]
    assert_equal_to_loops(found, "keypoint", loops, 20, ("_medium",))
    assert "keypoint_mAP_small" not in found


def test_seventeen_keypoints_have_the_sigmas_of_coco():
    """All keypoints off by d = s sqrt(area) sqrt(2 ln(4/3)) 2 give OKS 3/4: six of ten thresholds.

    With the sigma of each keypoint in its place, d differs from keypoint to keypoint.
    """
    area, points = 5000.0, np.zeros((1, 17, 3))
    points[..., :2], points[..., 2] = 40.0, 2.0
    far = 2 * np.array(COCO_SIGMAS) * np.sqrt(area * 2 * np.log(4 / 3))
    moved = points.copy()
    moved[..., 0] += far * 0.9999
    truth = {"boxes": [[0, 0, 80, 60]], "labels": [0], "keypoints": points, "areas": [area]}
    result = {"boxes": [[0, 0, 80, 60]], "labels": [0], "scores": [0.5], "keypoints": moved}
    found = numbers((truth, result))
    assert found["keypoint_mAP"] == pytest.approx(0.6)
    assert found["keypoint_mAP_75"] == found["keypoint_mAP_medium"] / 0.6 == pytest.approx(1.0)
    assert sum(COCO_SIGMAS) == pytest.approx(1.138)  # of the published table
    assert numbers((truth, {**result, "keypoints": points}))["keypoint_mAP"] == pytest.approx(1.0)


ONE = image([rectangle(0, 0, 9, 9)], [rectangle(0, 0, 9, 9)])
POINTS = np.ones((1, 4, 3))


@pytest.mark.parametrize(
    ("truth", "result", "message"),
    [
        ({"masks": []}, {}, "`masks` in the truth of image 7 .* Received: 0 for 1 boxes"),
        ({"masks": np.ones((1, 5))}, {}, r"`masks` in the truth .* \(N, H, W\).* shape=\(1, 5\)"),
        ({}, {"masks": np.ones((1, 9, 9))}, r"one size in truth and result. .*60, 80.*9, 9"),
        ({"keypoints": POINTS}, {"keypoints": POINTS[:, :, :2]}, r"\(1, J, 3\).*shape=\(1, 4, 2\)"),
        ({"keypoints": POINTS * np.nan}, {"keypoints": POINTS}, "in the truth .*finite=False"),
    ],
)
def test_bad_masks_and_keypoints_are_named(truth, result, message):
    with pytest.raises(ValueError, match=message):
        DetectionMetrics(["a"]).update(7, {**ONE[0], **truth}, {**ONE[1], **result})


def test_masks_of_different_sizes_in_one_image_are_an_error():
    masks = run_lengths.encode([np.ones((4, 5)), np.ones((5, 4))])
    with pytest.raises(ValueError, match=r"`masks` in the truth .*\[\(4, 5\), \(5, 4\)\]"):
        numbers(image(masks, []))


def test_images_must_be_alike():
    metrics = DetectionMetrics(["a"])
    metrics.update(0, *ONE)
    with pytest.raises(ValueError, match=r"same of masks and keypoints .*\(\) after .*'masks'"):
        metrics.update(1, {k: v for k, v in ONE[0].items() if k != "masks"}, ONE[1])
    metrics.reset()
    metrics.update(1, {k: v for k, v in ONE[0].items() if k != "masks"}, ONE[1])
    assert "mask_mAP" not in metrics.result()


@pytest.mark.parametrize("sigmas", [[0.1, 0.0], [[0.1]], [float("nan")]])
def test_sigmas_must_be_positive(sigmas):
    with pytest.raises(ValueError, match="`keypoint_sigmas` must be positive numbers"):
        DetectionMetrics(["a"], sigmas)


def test_sigmas_and_keypoints_must_be_as_many():
    boxes = {"boxes": [[0, 0, 9, 9]], "labels": [0]}
    truth, result = {**boxes, "keypoints": POINTS}, {**boxes, "scores": [1], "keypoints": POINTS}
    with pytest.raises(ValueError, match=r"Received: \[4\] keypoints, 2 sigmas"):
        numbers((truth, result), keypoint_sigmas=[0.1, 0.2])
    with pytest.raises(ValueError, match=r"Received: \[3, 4\] keypoints, None sigmas"):
        numbers((truth, {**result, "keypoints": POINTS[:, :3]}))
