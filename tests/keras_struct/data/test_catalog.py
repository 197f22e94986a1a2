"""Data sets by one line of text."""

import pytest

from keras_struct import data


def test_opens_what_the_text_names(voc_folder, write_coco):
    voc_folder.add("a", voc_folder.object()).add("b", voc_folder.object("dog"), split="val")
    assert data.open(f"voc:{voc_folder.path}").annotation(0)["image_id"] == "a"
    assert data.open(f"voc:{voc_folder.path}", split="val").annotation(0)["image_id"] == "b"
    file, images = write_coco()
    assert len(data.open(f"coco:{file},{images}")) == 2
    pattern = str(file).replace("instances", "{split}")
    assert len(data.open(f"coco:{pattern},{images}", split="instances")) == 2
    assert len(data.open("shapes:7", class_names=("star",))) == 7


@pytest.mark.parametrize("spec", ["voc", "voc:", "yolo:x", "", "shapes:0", "shapes:x", "coco:a"])
def test_unknown_texts_are_refused(spec):
    with pytest.raises(ValueError, match="`spec` must be (one of|of the form)"):
        data.open(spec)


def test_splits_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="`split` must be one of .* for shapes"):
        data.open("shapes:3", split="dev")
    with pytest.raises(ValueError, match="`split` must be None for a COCO file"):
        data.open("coco:a.json,images", split="val")
