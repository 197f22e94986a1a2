"""CamVid, VOC and Cityscapes: their folders, their classes, their ignored ids."""

import numpy as np
import pytest
from PIL import Image

from keras_struct import data
from keras_struct.data import DatasetError


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


def photo(seed, size=(12, 16)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), "uint8")


def labels_of(values, size=(12, 16)):
    return np.resize(np.uint8(values), size)


@pytest.mark.parametrize("layout", ["folders", "segnet"])
def test_camvid_in_both_layouts(tmp_path, layout):
    images, labels = ("val/images", "val/labels") if layout == "folders" else ("val", "valannot")
    for seed, name in enumerate("ba"):
        save(tmp_path / images / f"{name}.png", photo(seed))
        save(tmp_path / labels / f"{name}.png", labels_of(range(12)))
    dataset = data.camvid(tmp_path, "val", strict=True)
    assert dataset.class_names[0] == "sky" and dataset.class_names[10] == "bicyclist"
    assert len(dataset.class_names) == 11 and len(dataset) == 2
    expected = labels_of([*range(11), 255])
    np.testing.assert_array_equal(dataset.label_map(0), expected)
    np.testing.assert_array_equal(dataset[1]["images"], photo(0))
    with pytest.raises(DatasetError, match="`split` must name a folder .*split='test'"):
        data.camvid(tmp_path, "test")
    save(tmp_path / labels / "a.png", labels_of([12]))
    with pytest.raises(DatasetError, match=r"a\.png: .*ids 0-10, .*ignored, 11, 255. .*ids 12"):
        data.camvid(tmp_path, "val").validate()


@pytest.fixture
def voc(tmp_path):
    palette = Image.fromarray(labels_of([0, 1, 20, 255]), "P")
    palette.putpalette(np.random.default_rng(0).integers(0, 255, 768, "uint8").tolist())
    for name in ("2007_1", "2007_2"):
        save(tmp_path / "JPEGImages" / f"{name}.jpg", photo(0))
        save(tmp_path / "SegmentationClass" / f"{name}.png", palette)
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_2\n2007_1\n")
    (lists / "empty.txt").write_text("\n")
    return tmp_path


def test_voc_reads_numbers_of_palettes_in_the_order_of_the_list(voc):
    dataset = data.voc_segmentation(voc, strict=True)
    assert [dataset.annotation(i)["image_id"] for i in range(2)] == ["2007_2", "2007_1"]
    assert len(dataset.class_names) == 21 and dataset.class_names[15] == "person"
    np.testing.assert_array_equal(dataset.label_map(0), labels_of([0, 1, 20, 255]))
    own = data.voc_segmentation(voc, class_names=("ground", "cell"))
    with pytest.raises(DatasetError, match=r"must hold the ids 0-1, .*ignored, 255. .*ids 20"):
        own.label_map(0)


def test_voc_names_what_is_missing(voc):
    with pytest.raises(DatasetError, match=r"a list in ImageSets/Segmentation.*'empty', 'train'"):
        data.voc_segmentation(voc, "val")
    with pytest.raises(DatasetError, match=r"empty\.txt: field `split` must list at least one"):
        data.voc_segmentation(voc, "empty")
    (voc / "SegmentationClass" / "2007_1.png").unlink()
    with pytest.raises(DatasetError, match=r"2007_1\.png: field `name` is missing, though the li"):
        data.voc_segmentation(voc)
    (voc / "ImageSets" / "Segmentation" / "train.txt").write_text("../../etc\n")
    with pytest.raises(DatasetError, match="`ImageSets entry` must name a file inside"):
        data.voc_segmentation(voc)


@pytest.fixture
def cityscapes(tmp_path):
    for city in ("ulm", "aachen"):
        stem = f"{city}_000_019"
        save(tmp_path / "leftImg8bit/train" / city / f"{stem}_leftImg8bit.png", photo(0))
        labels = tmp_path / "gtFine/train" / city
        save(labels / f"{stem}_gtFine_labelIds.png", labels_of([*range(34), 255]))
        save(labels / f"{stem}_gtFine_color.png", photo(1))
        (labels / f"{stem}_gtFine_polygons.json").write_text("{}")
    return tmp_path


# from the table of the authors' cityscapesScripts, labels.py: id -> trainId
TRAIN_IDS = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10} | {
    **{24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
}


def test_cityscapes_maps_ids_to_the_classes_of_the_benchmark(cityscapes):
    dataset = data.cityscapes(cityscapes, strict=True)
    assert dataset.annotation(0)["image_id"] == "aachen_000_019" and len(dataset) == 2
    assert len(dataset.class_names) == 19 and dataset.class_names[11] == "person"
    expected = labels_of([TRAIN_IDS.get(number, 255) for number in range(34)] + [255])
    np.testing.assert_array_equal(dataset.label_map(1), expected)


def test_cityscapes_takes_train_ids_as_they_are(cityscapes):
    for city in ("ulm", "aachen"):
        file = cityscapes / "gtFine/train" / city / f"{city}_000_019_gtFine_labelTrainIds.png"
        save(file, labels_of([*range(19), 255]))
    dataset = data.cityscapes(cityscapes, strict=True)
    np.testing.assert_array_equal(dataset.label_map(0), labels_of([*range(19), 255]))


def test_cityscapes_names_what_is_missing(cityscapes):
    with pytest.raises(DatasetError, match=r"a folder in leftImg8bit. .*'val'. Found: \['train'\]"):
        data.cityscapes(cityscapes, "val")
    with pytest.raises(DatasetError, match="`split` must name a file inside"):
        data.cityscapes(cityscapes, "../../x")
    file = cityscapes / "gtFine/train/ulm/ulm_000_019_gtFine_labelIds.png"
    save(file, labels_of([0, 1, 2, 3]))
    with pytest.raises(DatasetError, match=r"at least one pixel that is not ignored; it holds 0-3"):
        data.cityscapes(cityscapes, strict=True)
    file.unlink()
    with pytest.raises(DatasetError, match="leftImg8bit.png: .*must have its label map"):
        data.cityscapes(cityscapes)


def test_texts_open_them(tmp_path, voc, cityscapes, label_folder):
    save(tmp_path / "val/images/a.png", photo(0))
    save(tmp_path / "val/labels/a.png", labels_of([0, 1]))
    assert len(data.open(f"camvid:{tmp_path}", split="val").class_names) == 11
    assert data.open(f"voc_segmentation:{voc}").class_names[0] == "background"
    assert len(data.open(f"cityscapes:{cityscapes}")) == 2
    label_folder.add("a")
    opened = data.open(f"label_maps:{label_folder.path}", class_names=("road",))
    assert opened.fields == ("segmentation_masks",)
    with pytest.raises(ValueError, match="`class_names` must be None for camvid"):
        data.open(f"camvid:{tmp_path}", class_names=("road",))
    with pytest.raises(DatasetError, match="at least one pixel that is not ignored"):
        save(tmp_path / "val/labels/a.png", labels_of([11]))
        data.open(f"camvid:{tmp_path}", split="val", strict=True)


def test_shared_camvid(shared):
    """The real folder: its splits, its common and rare classes, batches of it."""
    train = data.camvid(shared / "camvid")
    assert len(train) == 367 and len(data.camvid(shared / "camvid", "val")) == 101
    counts = data.class_frequencies(train)
    assert train.class_names[int(counts.argmax())] == "road"
    assert train.class_names[int(counts.argmin())] == "bicyclist"
    images, targets = next(iter(train.batches(8, (192, 256), augment=True)))
    assert images.shape == (8, 192, 256, 3)
    assert set(np.unique(targets["segmentation_masks"])) <= {*range(11), 255}
