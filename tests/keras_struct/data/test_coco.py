"""COCO files: what is read, and how broken ones are refused."""

import numpy as np
import pytest

from keras_struct.data import DatasetError, coco
from keras_struct.ops import run_lengths

BOX = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 5, 20, 15]}


def test_reads_boxes_categories_and_crowds(write_coco):
    crowd = {**BOX, "id": 2, "category_id": 9, "iscrowd": 1, "bbox": [0, 0, 60.5, 40], "area": 99}
    dataset = coco(*write_coco([BOX, crowd]))
    annotation = dataset.annotation(0)
    assert len(dataset) == 2 and dataset.class_names == ("cat", "dog")
    np.testing.assert_array_equal(annotation["boxes"], [[10, 5, 30, 20], [0, 0, 60, 40]])
    assert annotation["labels"].tolist() == [0, 1]
    assert annotation["crowd"].tolist() == [False, True]
    assert annotation["areas"].tolist() == [300, 99]
    assert annotation["image_id"] == 7 and dataset.annotation(1)["boxes"].shape == (0, 4)
    assert dataset.max_boxes() == 1 and dataset.fields == ("bounding_boxes",)


def test_batches_leave_crowds_out(write_coco):
    crowd = {**BOX, "id": 2, "category_id": 9, "iscrowd": 1}
    dataset = coco(*write_coco([crowd, {**BOX}]))
    _, targets = next(iter(dataset.batches(2, 32)))
    assert targets["bounding_boxes"]["labels"].numpy().tolist() == [[0], [-1]]


def test_polygons_and_run_lengths_become_the_same_mask(write_coco):
    # the 20x15 rectangle at (10, 5) in a 40x60 image, column by column
    runs = [10 * 40 + 5] + [15, 25] * 19 + [15, 20 + 30 * 40]
    polygon = {**BOX, "segmentation": [[10, 5, 30, 5, 30, 20, 10, 20]]}
    plain = {**BOX, "id": 2, "segmentation": {"counts": runs, "size": [40, 60]}}
    dataset = coco(*write_coco([polygon, plain]))
    masks = dataset.read(0, ("instance_masks",))["instance_masks"]
    expected = np.zeros((40, 60), "uint8")
    expected[5:20, 10:30] = 1
    np.testing.assert_array_equal(masks, [expected, expected])
    assert dataset.read(1, ("instance_masks",))["instance_masks"].shape == (0, 30, 50)


def test_compressed_run_lengths_round_trip(write_coco):
    from faster_coco_eval.core import mask as coco_mask

    expected = (np.random.default_rng(0).random((40, 60)) < 0.3).astype("uint8")
    counts = coco_mask.encode(np.asfortranarray(expected))["counts"].decode()
    packed = {**BOX, "segmentation": {"counts": counts, "size": [40, 60]}}
    dataset = coco(*write_coco([packed]))
    np.testing.assert_array_equal(
        dataset.read(0, "instance_masks")["instance_masks"], expected[None]
    )


def test_keypoints_are_read_and_absent_ones_are_zero(write_coco):
    categories = [{"id": 3, "name": "cat", "keypoints": ["nose", "left_eye"]}]
    first = {**BOX, "keypoints": [1, 2, 2, 0, 0, 0]}
    dataset = coco(*write_coco([first, {**BOX, "id": 2}], categories=categories))
    assert dataset.keypoint_names == ("nose", "left_eye")
    points = dataset.read(0, ("keypoints",))["keypoints"]
    np.testing.assert_array_equal(points, [[[1, 2, 2], [0, 0, 0]], np.zeros((2, 3))])


def test_class_names_give_the_order(write_coco):
    file, images = write_coco([BOX])
    assert coco(file, images, ("dog", "cat")).annotation(0)["labels"].tolist() == [1]
    with pytest.raises(DatasetError, match=r"category_id` is an unknown category. .*'cat'"):
        coco(file, images, ("dog",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category_id": 4}, r"annotations\[0\]\.category_id` is an unknown category.*4"),
        ({"category_id": None}, r"annotations\[0\]\.category_id` must be a whole number"),
        ({"image_id": 1}, r"annotations\[0\]\.image_id` names no image: 1"),
        ({"id": "x"}, r"annotations\[0\]\.id` must be a whole number. Received: 'x'"),
        ({"bbox": [1, 2, float("nan"), 4]}, r"annotations\[0\]\.bbox` must be four finite numbers"),
        ({"bbox": [1, 2, 3]}, r"annotations\[0\]\.bbox` must be four finite numbers"),
        ({"bbox": [1, 2, 10**400, 3]}, r"annotations\[0\]\.bbox` must be four finite numbers"),
        ({"bbox": [1, 2, -3, 4]}, r"annotations\[0\]\.bbox` must not have a negative size"),
        ({"area": "big"}, r"annotations\[0\]\.area` must be a number >= 0: 'big'"),
    ],
)
def test_broken_annotations_name_the_field(write_coco, change, message):
    with pytest.raises(DatasetError, match=rf"instances\.json: field `{message}"):
        coco(*write_coco([{**BOX, **change}]))


IMAGE = {"id": 1, "file_name": "0.png", "height": 40, "width": 60}


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"annotations": [BOX, BOX]}, r"annotations\[1\]\.id` must be unique. Repeated: 1"),
        ({"images": []}, r"images` must hold at least one image"),
        ({"images": None}, r"images` must be a list"),
        ({"images": [3]}, r"images\[0\]` must be an object"),
        ({"images": [IMAGE, IMAGE]}, r"images\[1\]\.id` must be unique. Repeated: 1"),
        ({"images": [IMAGE, {**IMAGE, "id": 2}]}, r"images\[1\]\.file_name` must be unique"),
        ({"images": [{**IMAGE, "file_name": 3}]}, r"images\[0\]\.file_name` must be a text"),
        ({"images": [{**IMAGE, "file_name": "../x.png"}]}, r"images\[0\]\.file_name` must name a"),
        ({"images": [{**IMAGE, "file_name": "gone.png"}]}, r"images\[0\]\.file_name` names a miss"),
        ({"images": [{**IMAGE, "width": 0}]}, r"images\[0\]\.height/width` must be positive"),
        ({"categories": []}, r"categories` must hold at least one category"),
        ({"categories": [{"id": 1}]}, r"categories\[0\]\.name` must be a text"),
        (
            {"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]},
            r"categories\[1\]\.id` must be unique",
        ),
        (
            {"categories": [{"id": 1, "name": "a", "keypoints": [1]}]},
            r"categories\[\]\.keypoints` must be one list of names",
        ),
    ],
)
def test_broken_files_name_the_field(write_coco, replaced, message):
    with pytest.raises(DatasetError, match=rf"instances\.json: field `{message}"):
        coco(*write_coco(**replaced))


def test_files_that_are_missing_or_no_json_are_named(tmp_path):
    file = tmp_path / "a.json"
    with pytest.raises(
        DatasetError, match=r"a\.json: field `annotations` names a file that cannot be"
    ):
        coco(file, tmp_path)
    for text in ("{", "[" * 100_000):
        file.write_text(text)
        with pytest.raises(DatasetError, match=r"a\.json: field `annotations` must be JSON"):
            coco(file, tmp_path)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3, 4]], "must be polygons of at least three finite points"),
        ([[1, 2, 3, 4, 5, float("nan")]], "must be polygons of at least three finite points"),
        ("poly", "must be polygons of at least three finite points"),
        ({"counts": [5], "size": [40, 60]}, "must have counts >= 0 that add up to its pixels"),
        ({"counts": [-5, 2405], "size": [40, 60]}, "must have counts >= 0 that add up"),
        ({"counts": [2400], "size": [60, 40]}, r"must have the image's size \[40, 60\]"),
        ({"counts": "zz", "size": [40, 60]}, "must have counts that add up to its pixels"),
        ({"counts": "5", "size": [40, 60]}, "must have counts that add up to its pixels"),
    ],
)
def test_broken_masks_name_the_field(write_coco, segmentation, message):
    dataset = coco(*write_coco([{**BOX, "segmentation": segmentation}]))
    with pytest.raises(DatasetError, match=rf"annotations\[0\]\.segmentation` {message}"):
        dataset.read(0, ("instance_masks",))


@pytest.mark.parametrize(
    "polygon", [[31.5, 5, 40, 5, 40, 20], [10, 22, 30, 22, 30, 30], [0, 0, 8, 0, 8, 40]]
)
def test_masks_wholly_outside_their_box_are_an_error(write_coco, polygon):
    """The box goes from (10, 5) to (30, 20); up to one pixel beside it is rounding."""
    dataset = coco(*write_coco([{**BOX, "segmentation": [polygon]}]))
    message = r"annotations\[0\]\.segmentation` must lie in the `bbox` .*\[10.0, 5.0, 30.0, 20.0\]"
    for read in (lambda: dataset.mask_runs(0), lambda: dataset.read(0, "instance_masks")):
        with pytest.raises(DatasetError, match=message):
            read()


def test_masks_beside_their_box_by_rounding_or_without_a_pixel_are_taken(write_coco):
    beside = {**BOX, "segmentation": [[31, 5, 40, 5, 40, 20]]}
    speck = {**BOX, "id": 2, "segmentation": [[12, 8, 12.1, 8, 12.1, 8.1]]}
    masks = coco(*write_coco([beside, speck])).read(0, "instance_masks")["instance_masks"]
    assert masks[0].any() and not masks[1].any()


def test_mask_runs_are_the_masks_and_know_crowds(write_coco):
    square = {**BOX, "segmentation": [[10, 5, 30, 5, 30, 20, 10, 20]]}
    crowd = {**BOX, "id": 2, "iscrowd": 1, "segmentation": {"counts": [2400], "size": [40, 60]}}
    crowd["segmentation"]["counts"] = [410, 90, 1900]
    dataset = coco(*write_coco([crowd, square]))
    runs = dataset.mask_runs(0)
    assert [run["size"] for run in runs] == [[40, 60]] * 2
    assert run_lengths.areas(runs).tolist() == [90, 300]
    np.testing.assert_array_equal(run_lengths.extents(runs)[1], [10, 5, 30, 20])
    masks = dataset.read(0, "instance_masks")["instance_masks"]
    np.testing.assert_array_equal(run_lengths.decode(runs, (40, 60)), masks)
    assert dataset.mask_runs(1) == [] and "mask_runs" not in dataset.annotation(0)
    with pytest.raises(ValueError, match="`fields` must be among those of the data set"):
        coco(*write_coco([BOX])).mask_runs(0)


def test_objects_whose_box_has_no_area_go_with_mask_and_keypoints(write_coco):
    categories = [{"id": 3, "name": "cat", "keypoints": ["nose"]}]
    flat = {**BOX, "bbox": [10, 5, 20, 0], "segmentation": [[0, 0, 9, 0, 9, 9]]}
    square = {**BOX, "id": 2, "segmentation": [[10, 5, 30, 5, 30, 20]], "keypoints": [12, 6, 2]}
    flat["keypoints"] = [1, 1, 2]
    dataset = coco(*write_coco([flat, square], categories=categories))
    sample = dataset.read(0, ("bounding_boxes", "instance_masks", "keypoints"))
    assert sample["instance_masks"].shape == (1, 40, 60) and sample["instance_masks"].any()
    np.testing.assert_array_equal(sample["keypoints"], [[[12, 6, 2]]])


@pytest.mark.parametrize("keypoints", [[1, 2], "x", [1, 2, float("inf")]])
def test_broken_keypoints_name_the_field(write_coco, keypoints):
    categories = [{"id": 3, "name": "cat", "keypoints": ["nose"]}]
    with pytest.raises(DatasetError, match=r"annotations\[0\]\.keypoints` must be 3 finite"):
        coco(*write_coco([{**BOX, "keypoints": keypoints}], categories=categories))


def test_coco_mini(shared):
    root = shared / "coco_mini"
    train = coco(root / "annotations" / "instances_train.json", root / "images")
    assert len(train) == 226 and len(train.class_names) == 80
    assert train.fields == ("bounding_boxes", "instance_masks", "segmentation_masks")
    crowds = sum(int(train.annotation(i)["crowd"].sum()) for i in range(len(train)))
    assert crowds == 26
    for index in range(0, 60, 5):
        sample = train.read(index, ("bounding_boxes", "instance_masks"))
        for box, mask in zip(
            sample["bounding_boxes"]["boxes"], sample["instance_masks"], strict=True
        ):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            tight = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            # polygons were rounded when the data set was scaled down
            np.testing.assert_allclose(box, tight, atol=3.0)


def test_coco_mini_keypoints(shared):
    root = shared / "coco_mini"
    val = coco(root / "annotations" / "person_keypoints_val.json", root / "images", strict=False)
    assert len(val) == 29 and len(val.keypoint_names) == 17
    persons = sum((val.annotation(i)["keypoints"][..., 2] > 0).any(1).sum() for i in range(29))
    assert persons == 38
