"""One data set seen as that of a task, and how often its classes occur."""

import numpy as np
import pytest

from keras_struct import data


def square(number, category, left, top, side, crowd=0):
    right, bottom = left + side, top + side
    outline = [left, top, right, top, right, bottom, left, bottom]
    return {
        "id": number,
        "image_id": 7,
        "category_id": category,
        "bbox": [left, top, side, side],
        "segmentation": [outline],
        "iscrowd": crowd,
    }


def test_shapes_as_label_maps():
    shapes = data.shapes(4, 64, class_names=("star", "ring"))
    labelled = shapes.for_task("segmentation")
    assert labelled.class_names == ("background", "star", "ring")
    assert labelled.fields == ("segmentation_masks",) and labelled.keypoint_names == ()
    for index in range(4):
        truth = shapes.read(index, "segmentation_masks")["segmentation_masks"]
        np.testing.assert_array_equal(labelled[index]["segmentation_masks"], truth)
        np.testing.assert_array_equal(labelled.label_map(index), truth[..., 0])
    images, targets = next(iter(labelled.batches(4, (64, 64))))
    assert set(targets) == {"segmentation_masks"}
    np.testing.assert_array_equal(images[3], shapes[3]["images"])
    annotation = labelled.annotation(0)
    assert annotation["image_id"] == 0 and annotation["boxes"].shape == (0, 4)


def test_parts_of_a_data_set_stay_the_same_parts():
    part = data.shapes(9, 64).subset([5, 2]).for_task("segmentation")
    assert [part.annotation(i)["image_id"] for i in range(2)] == [5, 2]
    assert len(part.subset([1])) == 1 and part.subset([1]).annotation(0)["image_id"] == 2


def test_a_data_set_of_the_task_stays_as_it_is(label_folder):
    shapes = data.shapes(2, 64)
    assert shapes.for_task("detection").fields == shapes.fields
    label_folder.add("a")
    labelled = data.label_maps(label_folder.path, class_names=("road",))
    assert labelled.for_task("segmentation").class_names == ("road",)
    for dataset, task in ((labelled, "detection"), (shapes, "depth")):
        with pytest.raises(ValueError, match=rf"`task` must be one .*task='{task}'"):
            dataset.for_task(task)
    with pytest.raises(ValueError, match=r"annotated for, \('segmentation',\)"):
        shapes.for_task("segmentation").for_task("detection")


def test_coco_objects_become_label_maps(write_coco):
    """Background, two objects of two classes that overlap, and a crowd."""
    objects = [
        square(1, 3, 2, 2, 10),
        square(2, 3, 4, 4, 10),
        square(3, 9, 10, 10, 10),
        square(4, 9, 30, 10, 8, crowd=1),
    ]
    dataset = data.coco(*write_coco(objects)).for_task("segmentation")
    assert dataset.class_names == ("background", "cat", "dog")
    expected = np.zeros((40, 60), "uint8")
    expected[2:12, 2:12] = 1
    expected[4:14, 4:14] = 1
    expected[10:20, 10:20] = 2
    expected[10:14, 10:14] = 255
    expected[10:18, 30:38] = 255
    np.testing.assert_array_equal(dataset.label_map(0), expected)
    assert not dataset.label_map(1).any()
    masks = next(iter(dataset.subset([0]).batches(1, (40, 60))))[1]["segmentation_masks"]
    np.testing.assert_array_equal(masks[0, ..., 0], expected)


def test_label_maps_need_annotation(write_coco):
    boxes = {**square(1, 3, 2, 2, 10), "segmentation": []}
    dataset = data.coco(*write_coco([boxes]))
    with pytest.raises(ValueError, match="`fields` must be among those of the data set"):
        dataset.label_map(0)
    with pytest.raises(ValueError, match=r"annotated for, \('detection',\)"):
        data.class_frequencies(dataset)


def test_classes_are_counted(label_folder):
    first, second = np.zeros((2, 12, 16), "uint8")
    first[:2], second[0, :3], second[5, 5] = 2, 255, 1
    label_folder.add("a", first).add("b", second)
    dataset = data.label_maps(label_folder.path, class_names=("road", "tree", "car", "sky"))
    calls = []
    counts = data.class_frequencies(dataset, lambda done, total: calls.append((done, total)))
    assert counts.dtype == np.int64 and counts.tolist() == [160 + 188, 1, 32, 0]
    assert calls == [(1, 2), (2, 2)]
    shapes = data.shapes(2, 64)
    counts = data.class_frequencies(shapes)
    assert len(counts) == 7 and counts.sum() < 2 * 64 * 64
    everything = np.concatenate([shapes.label_map(i).ravel() for i in range(2)])
    assert counts.tolist() == [int((everything == label).sum()) for label in range(7)]
