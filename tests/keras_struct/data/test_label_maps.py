"""Folders of images and label maps: what arrives, and what is refused where."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_struct import data
from keras_struct.data import DatasetError

NAMES = ("road", "tree", "car")


def labels_of(seed, size=(12, 16), values=(0, 1, 2, 7, 255)):
    return np.random.default_rng(seed).choice(values, size).astype("uint8")


@pytest.fixture
def streets(label_folder):
    for seed, name in enumerate("bca"):
        label_folder.add(name, labels_of(seed))
    return data.label_maps(label_folder.path, class_names=NAMES, ignored=(7,))


def test_samples_and_batches_give_label_maps_without_naming_them(streets):
    assert streets.fields == ("segmentation_masks",) and streets.class_names == NAMES
    assert [streets.annotation(i)["image_id"] for i in range(3)] == ["a", "b", "c"]
    expected = labels_of(0)
    expected[expected == 7] = 255
    sample = streets[1]
    assert set(sample) == {"images", "segmentation_masks"}
    np.testing.assert_array_equal(sample["segmentation_masks"][..., 0], expected)
    np.testing.assert_array_equal(streets.label_map(1), expected)
    np.testing.assert_array_equal(sample["images"][..., 0], labels_of(0))
    images, targets = next(iter(streets.batches(3, (12, 16))))
    assert set(targets) == {"segmentation_masks"} and images.shape == (3, 12, 16, 3)
    assert targets["segmentation_masks"].dtype == tf.uint8
    np.testing.assert_array_equal(targets["segmentation_masks"][1, ..., 0], expected)


def test_annotation_names_the_label_file_and_holds_no_box(streets):
    annotation = streets.annotation(0)
    assert annotation["label_file"].endswith("labels/a.png")
    assert (annotation["height"], annotation["width"]) == (12, 16)
    assert annotation["boxes"].shape == (0, 4) and "label_map" not in annotation
    assert streets.max_boxes() == 1
    with pytest.raises(ValueError, match="`fields` must be among those of the data set"):
        streets.batches(1, 32, fields=("bounding_boxes",))


@pytest.mark.parametrize(("resize", "size"), [("stretch", (24, 16)), ("letterbox", (30, 20))])
def test_labels_are_scaled_by_the_nearest_pixel(streets, resize, size):
    masks = next(iter(streets.batches(3, size, resize=resize)))[1]["segmentation_masks"].numpy()
    height, width = (15, 20) if resize == "letterbox" else size
    for index in range(3):
        truth = streets.label_map(index)[..., None]
        nearest = tf.image.resize(truth, (height, width), "nearest")
        np.testing.assert_array_equal(masks[index, :height, :width], nearest)
    assert (masks[:, height:] == 255).all()


def test_class_names_come_from_a_file(label_folder):
    label_folder.add("a")
    (label_folder.path / "classes.txt").write_text("road \nstreet lamp\n\n")
    assert data.label_maps(label_folder.path).class_names == ("road", "street lamp")
    for text in ("road\n\ntree", "road\nroad", ""):
        (label_folder.path / "classes.txt").write_text(text)
        with pytest.raises(
            DatasetError, match=r"classes.txt: field `class_names` must be 1 to 255"
        ):
            data.label_maps(label_folder.path)
    (label_folder.path / "classes.txt").unlink()
    with pytest.raises(DatasetError, match="one name a line.*Write it, or give `class_names`"):
        data.label_maps(label_folder.path)
    for names in ((), ("a", "a"), tuple(map(str, range(256)))):
        with pytest.raises(DatasetError, match="`class_names` must be 1 to 255 different names"):
            data.label_maps(label_folder.path, class_names=names)


def test_palettes_are_read_as_numbers_not_as_colours(label_folder):
    labels = labels_of(0, values=(0, 1, 2))
    label_folder.add("a", labels)
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    for bits in (8, 2):  # a palette of few colours is packed
        picture.save(label_folder.path / "train" / "labels" / "a.png", bits=bits)
        dataset = data.label_maps(label_folder.path, class_names=NAMES)
        np.testing.assert_array_equal(dataset.label_map(0), labels)
        masks = next(iter(dataset.batches(1, (12, 16))))[1]["segmentation_masks"]
        np.testing.assert_array_equal(masks[0, ..., 0], labels)


def test_images_of_any_suffix_and_unrelated_files_are_fine(label_folder):
    label_folder.add("a", suffix="jpg").add("b", suffix="bmp")
    for name in ("Thumbs.db", "._a.jpg", "notes.txt"):
        (label_folder.path / "train" / "images" / name).write_text("x")
    dataset = data.label_maps(label_folder.path, class_names=NAMES, strict=True)
    assert [dataset.annotation(i)["image_id"] for i in range(2)] == ["a", "b"]


def refused_when_opened(label_folder, message, **options):
    with pytest.raises(DatasetError, match=message):
        data.label_maps(label_folder.path, **{"class_names": NAMES, **options})


def test_files_without_a_partner_are_named(label_folder):
    label_folder.add("a").add("b").add("c")
    images, labels = label_folder.files("train")
    (labels / "b.png").unlink()
    refused_when_opened(
        label_folder, r"images/b\.png: field `name` must have its label map in .*ls"
    )
    (labels / "c.png").unlink()
    refused_when_opened(label_folder, r"images/b\.png.* it is missing \(and 1 more files\)")
    (images / "b.png").unlink(), (images / "c.png").unlink(), (images / "a.png").unlink()
    refused_when_opened(
        label_folder, r"labels/a\.png: field `name` must have its image in .*images"
    )


def test_two_images_of_one_name_are_refused(label_folder):
    label_folder.add("a").add("a", suffix="jpg")
    refused_when_opened(
        label_folder, r"a\.png: field `name` must be that of one file, but .*a\.jpg"
    )


def test_splits(label_folder):
    label_folder.add("a").add("b", split="val")
    dataset = data.label_maps(label_folder.path, "val", NAMES)
    assert dataset.annotation(0)["image_id"] == "b"
    refused_when_opened(
        label_folder,
        r"`split` must name a folder .*split='test'. Found: \['train', 'val'\]",
        split="test",
    )
    for split in ("../other", "/etc", ""):
        refused_when_opened(label_folder, "field `split` must name a file inside", split=split)
    label_folder.files("empty")
    refused_when_opened(
        label_folder, r"\(empty\): field `images` must hold at least", split="empty"
    )
    (label_folder.path / "half" / "images").mkdir(parents=True)
    refused_when_opened(label_folder, "half/labels: field `labels` must be a folder", split="half")


def test_label_maps_of_another_size_are_named_when_opened(label_folder):
    label_folder.add("a", image=np.zeros((12, 17, 3), "uint8"))
    refused_when_opened(
        label_folder,
        r"labels/a\.png: field `labels` must have the size \(height, width\) of its image. "
        r"Received: \(12, 16\), image: \(12, 17\)",
    )


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("RGB", "colours"),
        ("LA", "grey with alpha"),
        ("1", "grey of 1 bits"),
        ("I;16", "of 16 bits"),
    ],
)
def test_other_kinds_of_png_are_refused_when_opened(label_folder, mode, found):
    label_folder.add("a")
    file = label_folder.path / "train" / "labels" / "a.png"
    Image.new(mode, (16, 12)).save(file)
    refused_when_opened(label_folder, rf"a\.png: field `labels` must be 8-bit grey .*{found}")
    Image.new("RGB", (16, 12)).save(file, format="JPEG")
    refused_when_opened(label_folder, r"a\.png: field `labels` must be a PNG file; it is damaged")


def test_images_that_are_none_are_refused_when_opened(label_folder):
    label_folder.add("a")
    (label_folder.path / "train" / "images" / "a.png").write_bytes(b"nothing")
    refused_when_opened(label_folder, r"images/a\.png: field `image` must be a readable image")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            (0, 3, 4, 5, 9),
            "must hold the ids 0-2, or ids that are ignored, 7, 255. Received: ids 3-5, 9. List",
        ),
        ((7, 255), "must hold at least one pixel that is not ignored; it holds 7, 255. Take the"),
    ],
)
def test_what_takes_decoding_is_refused_when_read(label_folder, values, message):
    labels = labels_of(0, values=values)
    label_folder.add("a", np.zeros((12, 16))).add("b", labels)
    dataset = data.label_maps(label_folder.path, class_names=NAMES, ignored=[7])
    assert dataset.label_map(0).max() == 0
    for read in (dataset.validate, lambda: dataset[1], lambda: dataset.label_map(1)):
        with pytest.raises(DatasetError, match=rf"labels/b\.png: field `labels` {message}"):
            read()
    refused_when_opened(label_folder, message, ignored=[7], strict=True)
    with pytest.raises(tf.errors.OpError, match=rf"labels/b\.png: field `labels` {message}"):
        list(dataset.batches(1, 16))


@pytest.mark.parametrize("keep", [20, 0.5, 0.9])
def test_damaged_files_are_named(label_folder, keep):
    label_folder.add("a", labels_of(1, (60, 80), (0, 1, 2)))
    dataset = data.label_maps(label_folder.path, class_names=NAMES)
    file = label_folder.path / "train" / "labels" / "a.png"
    content = file.read_bytes()
    file.write_bytes(content[: keep if keep > 1 else int(len(content) * keep)])
    with pytest.raises(DatasetError, match=r"a\.png: field `labels` must be a .*damaged"):
        dataset.label_map(0)
    with pytest.raises(tf.errors.OpError, match=r"a\.png: field `labels` must be a .*damaged"):
        next(iter(dataset.batches(1, 16)))
    file.unlink()
    with pytest.raises(DatasetError, match=r"a\.png: field `labels` cannot be read"):
        dataset.label_map(0)


def test_ids_that_are_no_bytes_cannot_be_ignored(label_folder):
    label_folder.add("a")
    with pytest.raises(ValueError, match=r"`ignored` must hold whole numbers .*\[256\]"):
        data.label_maps(label_folder.path, class_names=NAMES, ignored=(3, 256))
