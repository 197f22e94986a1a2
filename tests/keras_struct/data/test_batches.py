"""What `Dataset.batches` yields: pixels, padding, order, options."""

import numpy as np
import pytest
import tensorflow as tf

from keras_struct.data import SSDAugmentation, coco, shapes, voc


@pytest.fixture
def five(voc_folder):
    """Five images of different size; image i has i boxes, the first at (i, i)."""
    for index in range(5):
        boxes = [
            voc_folder.object(box=(index + 1 + k, index + 1, 20 + k, 30)) for k in range(index)
        ]
        voc_folder.add("abcde"[index], "".join(boxes), size=(40 + index, 60 - index))
    return voc(voc_folder.path, class_names=("cat",))


def test_batches_keep_order_and_give_pixels_and_boxes_of_the_network(five):
    batches = five.batches(2, 32)
    assert len(batches) == 3 == five.steps(2, drop_remainder=False)
    images, targets = zip(*batches, strict=True)
    assert [len(batch) for batch in images] == [2, 2, 1]
    images = np.concatenate(images)
    assert images.shape == (5, 32, 32, 3) and images.dtype == np.float32
    boxes = np.concatenate([t["bounding_boxes"]["boxes"] for t in targets])
    labels = np.concatenate([t["bounding_boxes"]["labels"] for t in targets])
    assert boxes.shape == (5, 4, 4) and boxes.dtype == np.float32 and labels.dtype == np.int32
    for index in range(5):
        sample = five[index]
        expected = tf.image.resize(sample["images"], (32, 32))
        np.testing.assert_allclose(images[index], expected, atol=1e-3)
        scale = np.tile([32 / (60 - index), 32 / (40 + index)], 2)
        own = sample["bounding_boxes"]["boxes"] * scale
        np.testing.assert_allclose(boxes[index][:index], own, atol=1e-4)
        assert labels[index].tolist() == [0] * index + [-1] * (4 - index)
        assert not boxes[index][index:].any()


@pytest.mark.parametrize("augment", [False, True])
def test_rectangles_hold_the_same_things(five, augment):
    """A rectangular input is the square one stretched: boxes by the same factor."""
    options = {"augment": augment, "seed": 4, "drop_remainder": False, "epochs": 1}
    batches = five.batches(5, (32, 64), **options)
    assert batches.element_spec[0].shape[1:] == (32, 64, 3)
    images, targets = zip(*batches, strict=True)
    _, expected = zip(*five.batches(5, 64, **options), strict=True)
    boxes, square_boxes = targets[0]["bounding_boxes"], expected[0]["bounding_boxes"]
    np.testing.assert_array_equal(boxes["labels"], square_boxes["labels"])
    # where the image covers the input in part only, its edge is rounded to whole pixels
    tolerance = 1.0 if augment else 1e-4
    scaled = square_boxes["boxes"] * np.float32([1, 0.5, 1, 0.5])
    np.testing.assert_allclose(boxes["boxes"], scaled, atol=tolerance)
    if not augment:
        for index in range(5):
            plain = tf.image.resize(five[index]["images"], (32, 64))
            np.testing.assert_allclose(images[0][index], plain, atol=1e-3)


def test_letterbox_batches(five):
    images, targets = next(iter(five.batches(5, 60, resize="letterbox")))
    # image 4 is 44 x 56: scale 60 / 56, so 47 rows (47.14) and 60 columns
    np.testing.assert_allclose(
        images[4][:47], tf.image.resize(five[4]["images"], (47, 60)), atol=1e-3
    )
    assert (images[4][47:].numpy() == 114).all()
    expected = five[4]["bounding_boxes"]["boxes"] * np.tile([60 / 56, 47 / 44], 2)
    np.testing.assert_allclose(targets["bounding_boxes"]["boxes"][4], expected, atol=1e-4)


def test_letterbox_in_a_rectangle(five):
    images, targets = next(iter(five.batches(5, (30, 90), resize="letterbox")))
    # image 4 is 44 x 56: scale 30 / 44, so 38 columns (38.18)
    np.testing.assert_allclose(
        images[4][:, :38], tf.image.resize(five[4]["images"], (30, 38)), atol=1e-3
    )
    assert (images[4][:, 38:].numpy() == 114).all()
    expected = five[4]["bounding_boxes"]["boxes"] * np.tile([38 / 56, 30 / 44], 2)
    np.testing.assert_allclose(targets["bounding_boxes"]["boxes"][4], expected, atol=1e-4)


def test_subset_and_split(five):
    assert five.subset([3, 1]).annotation(0)["image_id"] == "d"
    assert five.subset([3, 1]).subset([1]).annotation(0)["image_id"] == "b"
    first, second = five.split(0.6, seed=1)
    ids = [[part.annotation(i)["image_id"] for i in range(len(part))] for part in (first, second)]
    assert [len(part) for part in ids] == [3, 2] and sorted(sum(ids, [])) == list("abcde")
    assert all(part == sorted(part) for part in ids)
    again = five.split(0.6, seed=1)[0]
    assert [again.annotation(i)["image_id"] for i in range(3)] == ids[0]
    assert five.subset([1]).max_boxes() == 1 == five.subset([0]).max_boxes()


def test_subset_batches_read_the_right_images(five):
    images, _ = next(iter(five.subset([4, 2]).batches(2, 32)))
    for row, index in enumerate((4, 2)):
        np.testing.assert_allclose(
            images[row], tf.image.resize(five[index]["images"], (32, 32)), atol=1e-3
        )


def test_iterating_a_data_set_ends(five):
    assert len(list(five)) == 5
    assert five.annotation(-1)["image_id"] == "e"
    with pytest.raises(IndexError, match="`index` must be below 5. Received: index=5"):
        five[5]


def test_repr_says_what_it_is(five):
    assert "5 images, 1 classes" in repr(five)


def test_more_boxes_can_be_padded_to_but_not_fewer(five):
    _, targets = next(iter(five.batches(2, 32, max_boxes=9)))
    assert targets["bounding_boxes"]["boxes"].shape == (2, 9, 4)
    with pytest.raises(ValueError, match="`max_boxes` must be at least the most boxes .* 4"):
        five.batches(2, 32, max_boxes=3)


def test_training_drops_the_remainder_and_says_where_nothing_is_left(five):
    batches = five.batches(2, 32, augment=True)
    assert len(batches) == five.steps(2) == 2 == len(list(batches))
    assert batches.element_spec[0].shape == (2, 32, 32, 3)
    with pytest.raises(ValueError, match="`batch_size` must be at most the number of images, 5"):
        five.batches(6, 32, augment=True)
    assert len(list(five.batches(6, 32, augment=True, drop_remainder=False))) == 1


def test_own_augmentation_is_a_function_of_sample_and_seed(five):
    def mirror(sample, seed):
        assert seed.shape == (2,) and sample["images"].dtype == tf.float32
        width = tf.cast(tf.shape(sample["images"])[1], tf.float32)
        x1, y1, x2, y2 = tf.unstack(sample["bounding_boxes"]["boxes"], axis=1)
        boxes = tf.stack([width - x2, y1, width - x1, y2], 1)
        labels = tf.where(tf.range(tf.shape(boxes)[0]) == 0, -1, sample["bounding_boxes"]["labels"])
        return {
            "images": tf.reverse(sample["images"], [1]),
            "bounding_boxes": {"boxes": boxes, "labels": labels},
        }

    plain = next(iter(five.batches(5, 32)))
    own = next(iter(five.batches(5, 32, augment=mirror, shuffle=False)))
    np.testing.assert_allclose(own[0], plain[0][:, :, ::-1], atol=1e-3)
    labels = own[1]["bounding_boxes"]["labels"].numpy()
    # a box marked -1 is gone, and the others moved up
    assert (labels >= 0).sum(1).tolist() == [0, 0, 1, 2, 3]
    boxes = plain[1]["bounding_boxes"]["boxes"][4, 1].numpy()
    expected = [32 - boxes[2], boxes[1], 32 - boxes[0], boxes[3]]
    np.testing.assert_allclose(own[1]["bounding_boxes"]["boxes"][4, 0], expected, atol=1e-4)


def test_augmented_boxes_stay_inside_and_keep_an_area(five):
    batches = five.batches(5, 48, augment=True, epochs=12)
    for _, targets in batches:
        boxes, labels = (targets["bounding_boxes"][key].numpy() for key in ("boxes", "labels"))
        real = boxes[labels >= 0]
        assert real.min() >= 0 and real.max() <= 48 and (real[:, 2:] > real[:, :2]).all()


def test_an_augmentation_of_no_strength_is_none(five):
    nothing = SSDAugmentation(expand=1, min_scale=1, photometric=0, flip=False)
    still = next(iter(five.batches(5, 32, augment=nothing, shuffle=False)))
    plain = next(iter(five.batches(5, 32)))
    tf.nest.map_structure(np.testing.assert_array_equal, still, plain)


def test_fields_choose_the_targets(write_coco):
    categories = [{"id": 3, "name": "cat", "keypoints": ["nose"]}]
    square = {
        "id": 1,
        "image_id": 7,
        "category_id": 3,
        "bbox": [10, 5, 20, 20],
        "segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]],
        "keypoints": [12, 6, 2],
    }
    dataset = coco(*write_coco([square], sizes=((40, 40), (40, 40)), categories=categories))
    _, targets = next(iter(dataset.batches(2, 80, fields=("instance_masks", "keypoints"))))
    assert set(targets) == {"instance_masks", "keypoints"}
    masks = targets["instance_masks"].numpy()
    assert masks.shape == (2, 1, 80, 80) and masks[0, 0, 10:50, 20:60].all()
    assert masks.sum() == 1600
    np.testing.assert_allclose(targets["keypoints"], [[[[24, 12, 2]]], [[[0, 0, 0]]]])
    for fields in (("bounding_boxes", "depth"), ()):
        with pytest.raises(ValueError, match="`fields` must be among those of the data set"):
            dataset.batches(1, 80, fields=fields)
    with pytest.raises(ValueError, match="`fields` must be among those of the data set"):
        dataset.read(0, "depth")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1"),
        ({"batch_size": 2.5}, "`batch_size` must be a whole number of at least 1"),
        ({"image_size": 0}, "`image_size` must be a whole number of pixels, or .height, width."),
        ({"image_size": (32, 0)}, "`image_size` must be a whole number of pixels, or"),
        ({"first_epoch": -1}, "`first_epoch` must be a whole number of at least 0"),
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1"),
        ({"max_boxes": 0}, "`max_boxes` must be a whole number of at least 1"),
        ({"seed": 0.5}, "`seed` must be a whole number. Received: seed=0.5"),
        ({"resize": "crop"}, "`resize` must be one of"),
        ({"augment": "ssd"}, "`augment` must be True, False, an SSDAugmentation, a Seg"),
    ],
)
def test_options_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shapes(2, 32).batches(**{"batch_size": 1, "image_size": 32, **arguments})


def test_parts_without_an_image_are_refused(five):
    for fraction in (0, 1, 0.01):
        with pytest.raises(ValueError, match="`fraction` must be between 0 and 1 and leave"):
            five.split(fraction)
    with pytest.raises(ValueError, match="field `subset` must hold at least one image"):
        five.subset([])
