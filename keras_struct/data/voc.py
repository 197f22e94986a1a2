"""Reader of the PASCAL VOC layout: Annotations/*.xml, ImageSets/*.txt, JPEGImages/."""

from pathlib import Path
from xml.etree.ElementTree import ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from keras_struct.data import images
from keras_struct.data.annotations import BoxReport
from keras_struct.data.dataset import Dataset
from keras_struct.data.errors import dataset_error
from keras_struct.data.files import FileSource
from keras_struct.data.paths import inside
from keras_struct.data.split_list import read_split


def voc(folder, split: str = "train", class_names=None, strict: bool = False) -> Dataset:
    """Read a folder in the PASCAL VOC layout.

    A VOC box counts pixels from 1 and includes its last pixel, so it becomes the continuous edges
    (xmin - 1, ymin - 1, xmax, ymax). One with xmax <= xmin or ymax <= ymin has no area. See
    `BoxReport.clean` for boxes without area or beyond the border. `difficult` objects are kept
    and marked in the annotation.

    Args:
        folder: path of the folder that holds Annotations, ImageSets and JPEGImages.
        split: name of a list, ImageSets/Main/SPLIT.txt or ImageSets/SPLIT.txt.
        class_names: names in label order; default: all names found in Annotations, sorted, so
            that every split of a folder numbers its classes alike.
        strict: make a box that would be dropped or clipped an error, and decode every image.

    Returns:
        A `Dataset`.

    Raises:
        DatasetError: for a missing or malformed file, naming the file and the field.

    Source: Everingham et al. 2010, the VOC development kit.
    """
    folder = Path(folder).absolute()
    names = read_split(folder, split)
    objects = {} if class_names is not None else _read_all(folder)
    if class_names is None:
        class_names = sorted({o["name"] for entry in objects.values() for o in entry["objects"]})
    class_names = tuple(class_names)
    report = BoxReport(f"{folder} ({split})", strict)
    records = []
    for name in names:
        file = inside(folder / "Annotations", f"{name}.xml", folder, "ImageSets entry")
        entry = objects.get(file) or _read_annotation(file)
        records.append(_record(folder, name, entry, class_names, report))
    report.log()
    if not class_names:
        raise dataset_error(
            folder / "Annotations", "object/name", "never occurs", "Give `class_names`."
        )
    dataset = Dataset(FileSource(records, class_names, name=f"{folder} ({split})"))
    if strict:
        dataset.validate()
    return dataset


def _read_all(folder):
    files = sorted((folder / "Annotations").glob("*.xml"))
    return {file: _read_annotation(file) for file in files}


def _read_annotation(file):
    try:
        root = defusedxml.ElementTree.parse(file, forbid_dtd=True).getroot()
    except FileNotFoundError:
        raise dataset_error(file, "annotation", "is missing, though the split lists it") from None
    except DefusedXmlException as error:
        raise dataset_error(
            file, "DOCTYPE", f"is not allowed: entities can attack a reader ({error})"
        ) from None
    except (ParseError, UnicodeDecodeError, ValueError) as error:
        raise dataset_error(file, "annotation", f"must be well-formed XML ({error})") from None
    return {
        "file": file,
        "filename": (root.findtext("filename") or "").strip(),
        "size": _read_size(root, file),
        "objects": [_read_object(node, file) for node in root.findall("object")],
    }


def _read_size(root, file):
    node = root.find("size")
    if node is None:
        return None
    return tuple(int(_number(node, side, file, "size")) for side in ("height", "width"))


def _read_object(node, file):
    name = (node.findtext("name") or "").strip()
    if not name:
        raise dataset_error(file, "object/name", "must not be empty")
    corners = node.find("bndbox")
    if corners is None:
        raise dataset_error(file, "object/bndbox", f"is missing in an object named {name!r}")
    sides = ("xmin", "ymin", "xmax", "ymax")
    return {
        "name": name,
        "box": [_number(corners, side, file, "bndbox") for side in sides],
        "difficult": (node.findtext("difficult") or "0").strip() == "1",
    }


def _number(node, tag, file, parent):
    text = node.findtext(tag)
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = float("nan")
    if not np.isfinite(value):
        raise dataset_error(file, f"{parent}/{tag}", f"must be a finite number. Received: {text!r}")
    return value


def _record(folder, name, entry, class_names, report):
    file = _image_file(folder, name, entry)
    size = entry["size"] if entry["size"] and min(entry["size"]) > 0 else images.image_size(file)
    boxes, labels, difficult = [], [], []
    for item in entry["objects"]:
        if item["name"] not in class_names:
            raise dataset_error(
                entry["file"],
                "object/name",
                f"must be one of class_names={class_names}. Received: {item['name']!r}",
            )
        box = report.clean(_edges(item["box"]), size, str(entry["file"]), "bndbox")
        if box is not None:
            boxes.append(box)
            labels.append(class_names.index(item["name"]))
            difficult.append(item["difficult"])
    boxes = np.array(boxes, "float32").reshape(-1, 4)
    return {
        "image_id": name,
        "file": str(file),
        "height": size[0],
        "width": size[1],
        "boxes": boxes,
        "labels": np.array(labels, "int32"),
        "crowd": np.zeros(len(boxes), bool),
        "difficult": np.array(difficult, bool),
        "areas": (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
    }


def _edges(box):
    xmin, ymin, xmax, ymax = box
    if xmax <= xmin or ymax <= ymin:
        return [xmin, ymin, xmin, ymin]
    return [xmin - 1, ymin - 1, xmax, ymax]


def _image_file(folder, name, entry):
    filename = entry["filename"] or f"{name}.jpg"
    file = inside(folder / "JPEGImages", filename, entry["file"], "filename")
    if not file.is_file():
        raise dataset_error(entry["file"], "filename", f"names an image that is missing: {file}")
    return file
