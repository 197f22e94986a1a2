"""Reader of COCO's JSON: boxes, crowds, polygons and run lengths, keypoints."""

import json
import math
from pathlib import Path

import numpy as np

from keras_struct.data import masks
from keras_struct.data.annotations import BoxReport
from keras_struct.data.dataset import Dataset
from keras_struct.data.errors import dataset_error
from keras_struct.data.files import FileSource
from keras_struct.data.paths import inside
from keras_struct.ops import run_lengths


def coco(annotations, images, class_names=None, strict: bool = False) -> Dataset:
    """Read a COCO annotation file.

    Boxes (x, y, width, height) are continuous in COCO already and become (x, y, x + width,
    y + height). Category ids may have gaps: labels count the categories in the order of their
    ids. `iscrowd` regions stay in the annotation, marked, and are left out of samples to train
    on. Where all objects have a `segmentation`, the data set offers "instance_masks" and label
    maps painted from them, "segmentation_masks", in which 0 is the background, label + 1 an
    object, and 255, to be ignored, a crowd or where objects of different classes overlap; see
    `Dataset.for_task`. Where its categories name keypoints, it offers "keypoints", with
    visibility 0 for objects without any.

    Args:
        annotations: path of the JSON file.
        images: path of the folder that its file names start from.
        class_names: names in label order, all categories that occur among them; default: the
            categories sorted by id.
        strict: make a box that would be dropped or clipped an error, and decode every image.

    Returns:
        A `Dataset`, its images in the order of the file.

    Raises:
        DatasetError: for a missing or malformed file, naming the file and the field.

    Source: Lin et al. 2014, arXiv:1405.0312; cocodataset.org, data format.
    """
    file = Path(annotations)
    content = _load(file)
    labels, class_names, keypoint_names = _read_categories(content, file, class_names)
    entries = _read_images(content, file, Path(images))
    report = BoxReport(str(file), strict)
    masked = _read_objects(content, file, labels, entries, report)
    report.log()
    fields = ["bounding_boxes"]
    fields += ["instance_masks"] if masked else []
    # a label map holds bytes: background, 254 classes and 255
    fields += ["segmentation_masks"] if masked and len(class_names) < 255 else []
    fields += ["keypoints"] if keypoint_names else []
    records = [_record(entry, len(keypoint_names), file, masked) for entry in entries.values()]
    label_names = ("background", *class_names)
    source = FileSource(records, class_names, keypoint_names, fields, str(file), label_names)
    dataset = Dataset(source)
    if strict:
        dataset.validate()
    return dataset


def _load(file):
    try:
        content = json.loads(file.read_text("utf-8"))
    except OSError as error:
        reason = error.strerror
        raise dataset_error(
            file, "annotations", f"names a file that cannot be read ({reason})"
        ) from None
    except (ValueError, RecursionError) as error:
        raise dataset_error(file, "annotations", f"must be JSON ({error})") from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise dataset_error(file, key, "must be a list")
        for position, entry in enumerate(content[key]):
            if not isinstance(entry, dict):
                raise dataset_error(file, f"{key}[{position}]", "must be an object")
    return content


def _read_categories(content, file, class_names):
    categories = {}
    for position, entry in enumerate(content["categories"]):
        field = f"categories[{position}]"
        number = _whole(entry, "id", file, field)
        if number in categories:
            raise dataset_error(file, f"{field}.id", f"must be unique. Repeated: {number}")
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            raise dataset_error(file, f"{field}.name", "must be a text that is not empty")
        categories[number] = entry
    if not categories:
        raise dataset_error(file, "categories", "must hold at least one category")
    ordered = [categories[number] for number in sorted(categories)]
    found = tuple(entry["name"] for entry in ordered)
    class_names = found if class_names is None else tuple(class_names)
    labels = {
        number: class_names.index(entry["name"]) if entry["name"] in class_names else entry["name"]
        for number, entry in categories.items()
    }
    return labels, class_names, _read_keypoint_names(ordered, file)


def _read_keypoint_names(categories, file):
    lists = [entry["keypoints"] for entry in categories if entry.get("keypoints")]
    if not lists:
        return ()
    texts = isinstance(lists[0], list) and all(isinstance(name, str) for name in lists[0])
    if not texts or any(names != lists[0] for names in lists):
        raise dataset_error(
            file, "categories[].keypoints", "must be one list of names, the same in all categories"
        )
    return tuple(lists[0])


def _read_images(content, file, folder):
    entries, names = {}, set()
    for position, image in enumerate(content["images"]):
        field = f"images[{position}]"
        number = _whole(image, "id", file, field)
        if number in entries:
            raise dataset_error(file, f"{field}.id", f"must be unique. Repeated: {number}")
        name = image.get("file_name")
        if not isinstance(name, str):
            raise dataset_error(file, f"{field}.file_name", f"must be a text. Received: {name!r}")
        path = inside(folder, name, file, f"{field}.file_name")
        if path in names:
            raise dataset_error(file, f"{field}.file_name", f"must be unique. Repeated: {name!r}")
        if not path.is_file():
            raise dataset_error(file, f"{field}.file_name", f"names a missing image: {path}")
        size = tuple(_whole(image, side, file, field) for side in ("height", "width"))
        if min(size) < 1:
            raise dataset_error(file, f"{field}.height/width", f"must be positive: {size}")
        names.add(path)
        entries[number] = {"image_id": number, "file": str(path), "size": size, "objects": []}
    if not entries:
        raise dataset_error(file, "images", "must hold at least one image")
    return entries


def _read_objects(content, file, labels, entries, report):
    """Give every image its objects; tell whether all of them have masks."""
    numbers, masked = set(), bool(content["annotations"])
    for position, item in enumerate(content["annotations"]):
        field = f"annotations[{position}]"
        number = _whole(item, "id", file, field)
        if number in numbers:
            raise dataset_error(file, f"{field}.id", f"must be unique. Repeated: {number}")
        numbers.add(number)
        entry = entries.get(_whole(item, "image_id", file, field))
        if entry is None:
            raise dataset_error(file, f"{field}.image_id", f"names no image: {item['image_id']}")
        label = labels.get(_whole(item, "category_id", file, field), item["category_id"])
        if item["category_id"] not in labels or isinstance(label, str):
            raise dataset_error(
                file, f"{field}.category_id", f"is an unknown category. Received: {label!r}"
            )
        box = _read_box(item, file, field)
        box = report.clean(box, entry["size"], str(file), f"{field}.bbox")
        if box is not None:
            masked = masked and bool(item.get("segmentation"))
            entry["objects"].append({**item, "field": field, "label": label, "box": box})
    return masked


def _read_box(item, file, field):
    box = item.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        raise dataset_error(
            file, f"{field}.bbox", f"must be four finite numbers x, y, width, height: {box}"
        )
    x, y, width, height = box
    if width < 0 or height < 0:
        raise dataset_error(file, f"{field}.bbox", f"must not have a negative size: {box}")
    return [x, y, x + width, y + height]


def _record(entry, num_keypoints, file, masked):
    objects, (height, width) = entry["objects"], entry["size"]
    boxes = np.array([o["box"] for o in objects], "float32").reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = [_area(o, file, own) for o, own in zip(objects, sides.prod(1), strict=True)]
    record = {
        "image_id": entry["image_id"],
        "file": entry["file"],
        "height": height,
        "width": width,
        "boxes": boxes,
        "labels": np.array([o["label"] for o in objects], "int32"),
        "crowd": np.array([bool(o.get("iscrowd", 0)) for o in objects], bool),
        "difficult": np.zeros(len(objects), bool),
        "areas": np.array(areas, "float32"),
    }
    if num_keypoints:
        points = [_keypoints(o, num_keypoints, file) for o in objects]
        record["keypoints"] = np.array(points, "float32").reshape(-1, num_keypoints, 3)
    if masked:
        parts = [(o["segmentation"], f"{o['field']}.segmentation") for o in objects]
        size = (height, width)
        record["mask_runs"] = lambda: masks.to_runs(parts, boxes, size, file)
        objects = (record["labels"], record["crowd"])
        record["label_map"] = lambda: masks.paint_labels(
            run_lengths.decode(record["mask_runs"](), size), *objects
        )
    return record


def _area(item, file, box_area):
    area = item.get("area", float(box_area))
    if not _is_number(area) or area < 0:
        raise dataset_error(file, f"{item['field']}.area", f"must be a number >= 0: {area!r}")
    return area


def _keypoints(item, num_keypoints, file):
    values = item.get("keypoints") or [0] * (3 * num_keypoints)
    sound = isinstance(values, list) and all(_is_number(value) for value in values)
    if not sound or len(values) != 3 * num_keypoints:
        raise dataset_error(
            file, f"{item['field']}.keypoints", f"must be {3 * num_keypoints} finite numbers"
        )
    return np.reshape(values, (num_keypoints, 3))


def _whole(entry, key, file, field):
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise dataset_error(file, f"{field}.{key}", f"must be a whole number. Received: {value!r}")
    return value


def _is_number(value):
    # JSON integers have no limit in Python, those beyond a float's range have no place in an image
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e12 and math.isfinite(value)
