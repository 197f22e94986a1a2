"""PASCAL VOC folders: what is read, and how broken ones are refused."""

import logging
import re

import numpy as np
import pytest

from keras_struct.data import DatasetError, voc


def test_reads_boxes_as_continuous_edges(voc_folder):
    # VOC counts from 1 and includes the last pixel: 1..60 x 1..40 is the whole 60x40 image
    voc_folder.add(
        "a",
        voc_folder.object("dog", (1, 1, 60, 40)) + voc_folder.object("cat", (11, 21, 20, 24), 1),
    )
    dataset = voc(voc_folder.path)
    annotation = dataset.annotation(0)
    assert dataset.class_names == ("cat", "dog")
    np.testing.assert_array_equal(annotation["boxes"], [[0, 0, 60, 40], [10, 20, 20, 24]])
    assert annotation["labels"].tolist() == [1, 0]
    assert annotation["difficult"].tolist() == [False, True]
    assert annotation["crowd"].tolist() == [False, False]
    assert annotation["areas"].tolist() == [2400, 40]
    assert (annotation["image_id"], annotation["height"], annotation["width"]) == ("a", 40, 60)
    assert annotation["file"].endswith("a.jpg")
    sample = dataset[0]
    assert sample["images"].shape == (40, 60, 3) and sample["images"].dtype == np.uint8
    np.testing.assert_array_equal(sample["bounding_boxes"]["boxes"], annotation["boxes"])


def test_splits_share_the_class_names(voc_folder):
    voc_folder.add("a", voc_folder.object("cat")).add("b", voc_folder.object("dog"), split="val")
    assert voc(voc_folder.path).class_names == voc(voc_folder.path, "val").class_names
    assert voc(voc_folder.path, "val").annotation(0)["labels"].tolist() == [1]


def test_lists_may_lie_in_main_and_have_a_second_column(voc_folder):
    voc_folder.add("a", voc_folder.object()).add("b", voc_folder.object())
    main = voc_folder.path / "ImageSets" / "Main"
    main.mkdir()
    (main / "cat_train.txt").write_text("b  1\n")
    assert voc(voc_folder.path, "cat_train").annotation(0)["image_id"] == "b"


def test_boxes_without_area_are_dropped_and_counted(voc_folder, caplog):
    outside = voc_folder.object(box=(100, 5, 120, 9))
    voc_folder.add(
        "a", voc_folder.object(box=(5, 5, 5, 9)) + outside + voc_folder.object(box=(2, 2, 9, 9))
    )
    with caplog.at_level(logging.WARNING, "absl"):
        dataset = voc(voc_folder.path)
    assert dataset.annotation(0)["boxes"].tolist() == [[1, 1, 9, 9]]
    assert "dropped 2 boxes" in caplog.text and "clipped 0" in caplog.text


def test_boxes_a_pixel_beyond_the_border_are_clipped_in_silence(voc_folder, caplog):
    voc_folder.add("a", voc_folder.object(box=(0, 0, 61, 41)))
    with caplog.at_level(logging.WARNING, "absl"):
        dataset = voc(voc_folder.path, strict=True)
    assert dataset.annotation(0)["boxes"].tolist() == [[0, 0, 60, 40]]
    assert caplog.text == ""


def test_boxes_further_beyond_the_border_are_clipped_and_counted(voc_folder, caplog):
    voc_folder.add("a", voc_folder.object(box=(11, 11, 70, 30)))
    with caplog.at_level(logging.WARNING, "absl"):
        assert voc(voc_folder.path).annotation(0)["boxes"].tolist() == [[10, 10, 60, 30]]
    assert "clipped 1" in caplog.text


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (100, 5, 120, 9), (11, 11, 70, 30)])
def test_strict_refuses_what_would_be_dropped_or_clipped(voc_folder, box):
    voc_folder.add("a", voc_folder.object(box=box))
    with pytest.raises(DatasetError, match=r"a\.xml: field `bndbox` must be a box with an area"):
        voc(voc_folder.path, strict=True)


@pytest.mark.parametrize("value", ["nan", "inf", "ten", ""])
def test_coordinates_must_be_finite_numbers(voc_folder, value):
    voc_folder.add("a", voc_folder.object(box=(1, 1, value, 9)))
    message = rf"a\.xml: field `bndbox/xmax` must be a finite number. Received: '{value}'"
    with pytest.raises(DatasetError, match=message):
        voc(voc_folder.path)


def test_entity_bombs_are_refused(voc_folder):
    voc_folder.add("a")
    bomb = '<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>'
    voc_folder.xml("a", bomb)
    with pytest.raises(DatasetError, match=r"a\.xml: field `DOCTYPE` is not allowed"):
        voc(voc_folder.path)


def test_external_entities_are_refused(voc_folder):
    voc_folder.add("a")
    voc_folder.xml("a", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>')
    with pytest.raises(DatasetError, match=r"a\.xml: field `DOCTYPE` is not allowed"):
        voc(voc_folder.path)


@pytest.mark.parametrize("text", ["", "<annotation>", "\x00\x01", "no xml"])
def test_malformed_xml_names_the_file(voc_folder, text):
    voc_folder.add("a")
    voc_folder.xml("a", text)
    with pytest.raises(DatasetError, match=r"a\.xml: field `annotation` must be well-formed XML"):
        voc(voc_folder.path)


def test_objects_need_a_name_and_a_box(voc_folder):
    voc_folder.add("a", voc_folder.object(name=""))
    with pytest.raises(DatasetError, match=r"a\.xml: field `object/name` must not be empty"):
        voc(voc_folder.path)
    voc_folder.xml("a", "<annotation><object><name>cat</name></object></annotation>")
    with pytest.raises(DatasetError, match=r"a\.xml: field `object/bndbox` is missing in .* 'cat'"):
        voc(voc_folder.path)


@pytest.mark.parametrize("filename", ["../../secret.jpg", "/etc/passwd", "..\\..\\secret.jpg"])
def test_file_names_must_stay_in_the_image_folder(voc_folder, filename):
    voc_folder.add("a", filename=filename)
    message = rf"a\.xml: field `filename` must name a file inside .*{re.escape(repr(filename))}"
    with pytest.raises(DatasetError, match=message):
        voc(voc_folder.path)


def test_split_entries_must_stay_in_the_annotation_folder(voc_folder):
    voc_folder.add("a")
    (voc_folder.path / "ImageSets" / "train.txt").write_text("../../a\n")
    with pytest.raises(DatasetError, match="field `ImageSets entry` must name a file inside"):
        voc(voc_folder.path)


def test_missing_images_and_annotations_are_named(voc_folder):
    voc_folder.add("a", filename="gone.jpg")
    with pytest.raises(DatasetError, match=r"a\.xml: field `filename` names an image .*gone\.jpg"):
        voc(voc_folder.path)
    (voc_folder.path / "Annotations" / "a.xml").unlink()
    with pytest.raises(DatasetError, match=r"a\.xml: field `annotation` is missing"):
        voc(voc_folder.path)


@pytest.mark.parametrize("split", ["test", "../train", ""])
def test_unknown_splits_list_the_known_ones(voc_folder, split):
    voc_folder.add("a")
    with pytest.raises(DatasetError, match=r"field `split` must name a list.*Found: \['train'\]"):
        voc(voc_folder.path, split)


def test_empty_and_repeating_splits_are_refused(voc_folder):
    file = voc_folder.path / "ImageSets" / "train.txt"
    file.write_text("\n")
    with pytest.raises(DatasetError, match=r"train\.txt: field `split` must list at least one"):
        voc(voc_folder.path)
    voc_folder.add("a")
    file.write_text("a\na\n")
    with pytest.raises(DatasetError, match=r"must list an image once. Repeated: \['a'\]"):
        voc(voc_folder.path)


def test_classes_beyond_those_given_are_refused(voc_folder):
    voc_folder.add("a", voc_folder.object("cat"))
    with pytest.raises(DatasetError, match=r"a\.xml: field `object/name` must be one of .*'cat'"):
        voc(voc_folder.path, class_names=("dog",))
    assert voc(voc_folder.path, class_names=("dog", "cat")).annotation(0)["labels"].tolist() == [1]


def test_a_folder_without_any_class_asks_for_names(voc_folder):
    voc_folder.add("a")
    with pytest.raises(DatasetError, match="`object/name` never occurs. Give `class_names`"):
        voc(voc_folder.path)
    assert len(voc(voc_folder.path, class_names=("cat",)).annotation(0)["boxes"]) == 0


def test_strict_decodes_every_image(voc_folder):
    voc_folder.add("a", voc_folder.object())
    file = voc_folder.path / "JPEGImages" / "a.jpg"
    file.write_bytes(file.read_bytes()[:-200])
    voc(voc_folder.path)
    with pytest.raises(DatasetError, match=r"a\.jpg: field `image` must be a readable"):
        voc(voc_folder.path, strict=True)


def test_a_size_that_is_missing_comes_from_the_image(voc_folder):
    voc_folder.add("a", size=(40, 60))
    voc_folder.xml("a", f"<annotation>{voc_folder.object()}</annotation>")
    annotation = voc(voc_folder.path).annotation(0)
    assert (annotation["height"], annotation["width"]) == (40, 60)


def test_blood_cells(shared, caplog):
    with caplog.at_level(logging.WARNING, "absl"):
        train, val = voc(shared / "bccd"), voc(shared / "bccd", "val")
    assert (len(train), len(val)) == (205, 87)
    assert train.class_names == ("Platelets", "RBC", "WBC") == val.class_names
    assert caplog.text.count("dropped 1 boxes") == 2 and "clipped 0" in caplog.text
    with pytest.raises(DatasetError, match="BloodImage_00338|BloodImage_00343"):
        voc(shared / "bccd", strict=True)


def test_raccoons(shared):
    dataset = voc(shared / "raccoon", strict=True)
    assert len(dataset) == 160 and dataset.class_names == ("raccoon",)
    assert 1 <= dataset.max_boxes() <= 3
