"""Small data sets on disk, written by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture
def shared():
    """Folder of real data sets, where this machine has them."""
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not here")
    return SHARED


def photo(seed, height, width):
    """Smooth random picture: JPEG keeps it nearly as it is."""
    grid = np.random.default_rng(seed).integers(0, 255, (5, 5, 3), "uint8")
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


class VocFolder:
    def __init__(self, path):
        self.path = path
        for name in ("Annotations", "ImageSets", "JPEGImages"):
            (path / name).mkdir(parents=True)

    def add(self, name, objects="", size=(40, 60), filename=None, stated=None, split="train"):
        """One image of (height, width) `size`; `stated` is the size the XML claims."""
        height, width = stated or size
        photo(len(name), *size).save(self.path / "JPEGImages" / f"{name}.jpg", quality=95)
        self.xml(
            name,
            f"<annotation><filename>{filename or name + '.jpg'}</filename><size>"
            f"<width>{width}</width><height>{height}</height><depth>3</depth></size>"
            f"{objects}</annotation>",
        )
        with (self.path / "ImageSets" / f"{split}.txt").open("a") as stream:
            stream.write(f"{name}\n")
        return self

    @staticmethod
    def object(name="cat", box=(1, 1, 10, 10), difficult=0):
        corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
        return (
            f"<object><name>{name}</name><difficult>{difficult}</difficult>"
            f"<bndbox>{inner}</bndbox></object>"
        )

    def xml(self, name, text):
        (self.path / "Annotations" / f"{name}.xml").write_text(text)


@pytest.fixture
def voc_folder(tmp_path):
    return VocFolder(tmp_path / "voc")


@pytest.fixture
def write_coco(tmp_path):
    """Function that writes a COCO file and its images, and returns both paths."""
    images = tmp_path / "images"
    images.mkdir()

    def write(annotations=(), sizes=((40, 60), (30, 50)), categories=None, **replaced):
        entries = []
        for number, (height, width) in enumerate(sizes):
            photo(number, height, width).save(images / f"{number}.png")
            name = f"{number}.png"
            entries.append({"id": 7 + number, "file_name": name, "height": height, "width": width})
        if categories is None:
            categories = [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}]
        content = {
            "images": entries,
            "annotations": list(annotations),
            "categories": categories,
        }
        file = tmp_path / "instances.json"
        file.write_text(json.dumps({**content, **replaced}))
        return file, images

    return write


class LabelFolder:
    """SPLIT/images/NAME.png with SPLIT/labels/NAME.png; labels are the grey of the image."""

    def __init__(self, path):
        self.path = path
        self.files("train")

    def files(self, split):
        folders = self.path / split / "images", self.path / split / "labels"
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        return folders

    def add(self, name, labels=None, split="train", image=None, suffix="png", **options):
        images, label_maps = self.files(split)
        labels = np.zeros((12, 16), "uint8") if labels is None else np.asarray(labels, "uint8")
        image = np.repeat(labels[..., None], 3, -1) if image is None else image
        Image.fromarray(image).save(images / f"{name}.{suffix}")
        Image.fromarray(labels).save(label_maps / f"{name}.png", **options)
        return self


@pytest.fixture
def label_folder(tmp_path):
    return LabelFolder(tmp_path / "streets")
