"""Comparison of results: sets for detections, each other field after its kind."""

import numpy as np
import pytest

from keras_struct_export import Tolerance, compare

TOLERANCE = Tolerance(box=0.5, score=0.01, agreement=0.99, dense=1e-3)
K = 6


def detections(seed=0, count=4, images=2):
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 40, (images, K, 2))
    boxes = np.concatenate([low, low + generator.uniform(5, 20, (images, K, 2))], -1)
    scores = np.sort(generator.uniform(0.4, 1, (images, K)))[:, ::-1].copy()
    labels = generator.integers(0, 3, (images, K))
    boxes[:, count:], scores[:, count:], labels[:, count:] = 0, 0, -1
    return {
        "boxes": boxes.astype("float32"),
        "scores": scores.astype("float32"),
        "labels": labels.astype("int32"),
        "num_detections": np.full(images, count, "int32"),
    }


def changed(result, **fields):
    return {**{name: value.copy() for name, value in result.items()}, **fields}


def test_equal_results_agree():
    found = compare(detections(), detections(), TOLERANCE)
    assert (found.compared, found.agreement, found.box_error, found.images) == (8, 1.0, 0.0, 2)
    assert found.within(TOLERANCE)


@pytest.mark.parametrize("seed", range(3))
def test_order_does_not_matter(seed):
    ours = detections(seed)
    order = np.random.default_rng(seed).permutation(K)
    theirs = {k: v if k == "num_detections" else v[:, order] for k, v in ours.items()}
    assert compare(ours, theirs, TOLERANCE).agreement == 1.0


def test_errors_are_the_largest_of_any_pair():
    ours = detections()
    theirs = changed(ours)
    theirs["boxes"][1, 2, 3] += 0.25
    theirs["scores"][0, 1] -= 0.005
    found = compare(ours, theirs, TOLERANCE)
    assert found.box_error == pytest.approx(0.25, abs=1e-5)
    assert found.score_error == pytest.approx(0.005, abs=1e-6)
    assert found.within(TOLERANCE)


def test_a_moved_box_is_missing_here_and_extra_there():
    ours = detections()
    theirs = changed(ours)
    theirs["boxes"][1, 2] += 1.0
    found = compare(ours, theirs, TOLERANCE)
    assert (found.agreed, found.missing, found.extra, found.compared) == (7, 1, 1, 9)
    assert found.box_error == 0.0 and found.worst_box_error == pytest.approx(1.0, abs=1e-5)
    assert not found.within(TOLERANCE)
    assert "7 of 9 agree on 2 images (1 missing, 1 extra)" in str(found)


def test_another_label_is_another_detection():
    ours = detections()
    theirs = changed(ours)
    theirs["labels"][0, 0] = 5
    found = compare(ours, theirs, TOLERANCE)
    assert (found.missing, found.extra) == (1, 1)


def test_nothing_found_is_no_agreement():
    ours, theirs = detections(), detections(count=0)
    found = compare(ours, theirs, TOLERANCE)
    assert (found.missing, found.agreed) == (8, 0) and not found.within(TOLERANCE)


def test_near_the_threshold_a_detection_may_vanish():
    ours, theirs = detections(count=4), detections(count=3)
    threshold = float(ours["scores"][:, 3].max()) - 0.001
    assert compare(ours, theirs, TOLERANCE, threshold - 0.2).missing == 2
    ours["scores"][:, 3] = threshold + 0.001
    assert compare(ours, theirs, TOLERANCE, threshold).missing == 0


def test_near_the_last_place_of_a_full_list_a_detection_may_vanish():
    ours, theirs = detections(count=K), detections(count=K)
    last = ours["scores"][:, K - 1]
    theirs["boxes"][:, K - 1] += 15
    assert compare(ours, theirs, TOLERANCE).missing == 0
    theirs["scores"][:, K - 1] = last - 0.1
    assert compare(ours, theirs, TOLERANCE).missing == 2


def test_not_finite_or_miscounted_is_never_within():
    ours = detections()
    broken = changed(ours)
    broken["boxes"][0, 0, 0] = np.nan
    assert not compare(ours, broken, TOLERANCE).within(TOLERANCE)
    miscounted = changed(ours, num_detections=np.array([4, 3], "int32"))
    assert not compare(ours, miscounted, TOLERANCE).within(TOLERANCE)


def test_further_fields_follow_their_detections():
    ours = detections()
    ours["masks"] = np.random.default_rng(0).uniform(0, 1, (2, K, 5, 5)).astype("float32")
    order = np.array([2, 0, 3, 1, 4, 5])
    theirs = {k: v if k == "num_detections" else v[:, order] for k, v in ours.items()}
    assert compare(ours, theirs, TOLERANCE).dense_error == 0.0
    theirs["masks"] = ours["masks"]
    assert compare(ours, theirs, TOLERANCE).dense_error > 0.1


def masked(seed=0):
    """Detections with masks of two values, so that one cell more or less is known."""
    ours = detections(seed)
    ours["masks"] = np.zeros((2, K, 4, 4), "float32")
    ours["masks"][:, :, :2] = 0.9  # eight of sixteen cells
    return ours


def test_masks_report_the_smallest_iou_of_detections_that_agree():
    ours = masked()
    assert compare(ours, ours, TOLERANCE).mask_iou == 1.0
    theirs = changed(ours)
    theirs["masks"][0, 1, 2, 0] = 0.5  # at the threshold: inside, 8 of 9 cells shared
    theirs["masks"][1, 2, 0, :2] = 0.49  # 6 of 8
    theirs["masks"][1, 5] = 1.0  # padding
    found = compare(ours, theirs, TOLERANCE)
    assert found.mask_iou == pytest.approx(6 / 8)
    assert not found.within(TOLERANCE) and "smallest mask IoU 0.75" in str(found)
    theirs["boxes"][1, 2] += 1.0  # no longer the same detection
    assert compare(ours, theirs, TOLERANCE).mask_iou == pytest.approx(8 / 9)


def test_masks_that_are_not_finite_are_never_within():
    ours = masked()
    theirs = changed(ours)
    theirs["masks"][0, 1, 2, 0] = np.nan
    assert compare(ours, theirs, TOLERANCE).dense_error == np.inf


def test_empty_masks_are_equal_and_absent_ones_no_number():
    ours = masked()
    ours["masks"][:] = 0
    assert compare(ours, ours, TOLERANCE).mask_iou == 1.0
    plain = compare(detections(), detections(), TOLERANCE)
    assert plain.mask_iou is None and plain.keypoint_error is None and "mask" not in str(plain)
    nothing = {**masked(), "labels": np.full((2, K), -1), "num_detections": np.zeros(2, int)}
    assert compare(nothing, nothing, TOLERANCE).mask_iou is None


def test_keypoints_report_the_largest_distance_and_how_many_agree():
    ours = detections()
    ours["keypoints"] = np.random.default_rng(1).uniform(0, 50, (2, K, 5, 3)).astype("float32")
    same = compare(ours, ours, TOLERANCE)
    assert (same.keypoints, same.keypoints_agreed, same.keypoint_error) == (40, 40, 0.0)
    assert same.within(TOLERANCE)
    order = np.array([2, 0, 3, 1, 4, 5])
    turned = {k: v if k == "num_detections" else v[:, order] for k, v in ours.items()}
    assert compare(ours, turned, TOLERANCE).keypoint_error == 0.0
    theirs = changed(ours)
    theirs["keypoints"][1, 2, 3, :2] += (3, 4)
    theirs["keypoints"][0, 0, 0, 2] += 0.02  # its score
    found = compare(ours, theirs, TOLERANCE)
    assert (found.keypoints_agreed, found.dense_error) == (38, 0.0)
    assert found.keypoint_error == pytest.approx(5.0, abs=1e-4)
    assert not found.within(TOLERANCE)  # 38 of 40 are less than 0.99
    assert found.within(Tolerance(box=0.5, score=0.01, agreement=0.9, dense=1e-3))
    assert "38 of 40 keypoints agree, largest distance 5 px" in str(found)


def test_keypoints_that_are_not_finite_never_agree():
    ours = detections()
    ours["keypoints"] = np.ones((2, K, 5, 3), "float32")
    theirs = changed(ours)
    theirs["keypoints"][0, 0] = np.nan
    found = compare(ours, theirs, TOLERANCE)
    assert (found.keypoints_agreed, found.keypoint_error) == (35, np.inf)


def test_label_maps_count_pixels():
    ours = {"segmentation": np.arange(200).reshape(2, 10, 10) % 7}
    theirs = {"segmentation": ours["segmentation"].copy()}
    theirs["segmentation"][0, 0, :3] = 9
    found = compare(ours, theirs, TOLERANCE)
    assert (found.compared, found.agreed) == (200, 197) and not found.within(TOLERANCE)


def test_poses_compare_points_and_scores():
    ours = {"keypoints": np.random.default_rng(0).uniform(0, 50, (2, 17, 3))}
    theirs = {"keypoints": ours["keypoints"] + [0.25, 0.0, 0.001]}
    found = compare(ours, theirs, TOLERANCE)
    assert (found.compared, found.agreed) == (34, 34)
    assert found.box_error == pytest.approx(0.25) and found.score_error == pytest.approx(0.001)


def test_raw_outputs_are_relative():
    ours = {"logits": np.full((2, 3), 10.0), "deltas": np.ones((2, 5))}
    theirs = {"logits": np.full((2, 3), 10.1), "deltas": np.ones((2, 5))}
    assert compare(ours, theirs, TOLERANCE).dense_error == pytest.approx(0.01)
    theirs["deltas"][0, 0] = np.inf
    assert compare(ours, theirs, TOLERANCE).dense_error == np.inf


def test_missing_field():
    with pytest.raises(ValueError, match=r"`result` must have the field 'b'. Received: \['a'\]"):
        compare({"a": np.ones(2), "b": np.ones(2)}, {"a": np.ones(2)}, TOLERANCE)


def test_other_shape():
    with pytest.raises(ValueError, match=r"`result\['a'\]` must have shape \(2,\)"):
        compare({"a": np.ones(2)}, {"a": np.ones(3)}, TOLERANCE)
