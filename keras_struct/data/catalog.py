"""Data sets by one line of text, for the command line."""

from keras_struct.data.camvid import camvid
from keras_struct.data.cityscapes import cityscapes
from keras_struct.data.coco import coco
from keras_struct.data.dataset import Dataset
from keras_struct.data.label_maps import label_maps
from keras_struct.data.shapes import shapes
from keras_struct.data.voc import voc
from keras_struct.data.voc_segmentation import voc_segmentation

FORMS = (
    *("voc:FOLDER", "coco:JSON,IMAGES", "shapes:COUNT"),
    *("label_maps:FOLDER", "camvid:FOLDER", "voc_segmentation:FOLDER", "cityscapes:FOLDER"),
)
# splits of the shapes world start so far apart that they share no image
_SHAPES_SPLITS = {"train": 0, "val": 10**9, "test": 2 * 10**9}
_FOLDERS = {"voc": voc, "label_maps": label_maps, "voc_segmentation": voc_segmentation}
_FOLDERS_OF_KNOWN_CLASSES = {"camvid": camvid, "cityscapes": cityscapes}


def open(spec: str, split: str | None = None, class_names=None, strict: bool = False) -> Dataset:
    """Open the data set a text names.

    Args:
        spec: "KIND:FOLDER" for the kinds "voc" (boxes), "label_maps", "camvid",
            "voc_segmentation" and "cityscapes" (label maps); "coco:JSON,IMAGES", where `{split}`
            in either path stands for the split; or "shapes:COUNT".
        split: for VOC a list in ImageSets, for other folders a folder inside, for shapes "train",
            "val" or "test"; default "train". A COCO file without `{split}` in its path is one
            split by itself and takes none.
        class_names: names in label order; see the readers. CamVid and Cityscapes have their own.
        strict: see the readers; the shapes world has no files to be strict about.

    Raises:
        ValueError: where `spec` or `split` cannot be understood, or `class_names` has no place.
        DatasetError: where a file is missing or malformed.
    """
    kind, _, rest = spec.partition(":")
    if not rest or kind not in (*_FOLDERS, *_FOLDERS_OF_KNOWN_CLASSES, "coco", "shapes"):
        raise ValueError(f"`spec` must be one of {FORMS}. Received: spec={spec!r}.")
    if kind in _FOLDERS_OF_KNOWN_CLASSES:
        if class_names is not None:
            raise ValueError(
                f"`class_names` must be None for {kind}, whose classes are known. "
                f"Received: class_names={tuple(class_names)}."
            )
        return _FOLDERS_OF_KNOWN_CLASSES[kind](rest, split or "train", strict=strict)
    if kind in _FOLDERS:
        return _FOLDERS[kind](rest, split or "train", class_names, strict=strict)
    if kind == "coco":
        return coco(*_coco_paths(spec, rest, split), class_names, strict)
    return _open_shapes(spec, rest, split or "train", class_names)


def _coco_paths(spec, rest, split):
    if split is not None and "{split}" not in rest:
        raise ValueError(
            "`split` must be None for a COCO file, which is one split by itself. "
            f"Received: split={split!r}, spec={spec!r}. "
            "Write {split} into the path, as in coco:instances_{split}.json,images."
        )
    rest = rest.replace("{split}", split or "train")
    paths = rest.split(",")
    if len(paths) != 2 or not all(paths):
        raise ValueError(f"`spec` must be of the form {FORMS[1]}. Received: spec={spec!r}.")
    return paths


def _open_shapes(spec, rest, split, class_names):
    if not rest.isdigit() or int(rest) == 0:
        raise ValueError(f"`spec` must be of the form {FORMS[2]}. Received: spec={spec!r}.")
    if split not in _SHAPES_SPLITS:
        raise ValueError(
            f"`split` must be one of {tuple(_SHAPES_SPLITS)} for shapes. Received: split={split!r}."
        )
    chosen = {} if class_names is None else {"class_names": class_names}
    return shapes(int(rest), first=_SHAPES_SPLITS[split], **chosen)
