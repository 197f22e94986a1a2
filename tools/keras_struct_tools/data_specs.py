"""Data sets as they are named on the command line."""

from typing import Any

DATA_FORMS = (
    "voc:FOLDER, coco:ANNOTATIONS.json,IMAGES or shapes:COUNT; for label maps also "
    "label_maps:FOLDER, camvid:FOLDER, voc_segmentation:FOLDER or cityscapes:FOLDER"
)


def open_spec(spec: str, split: str) -> Any:
    """Open a data set; a COCO file without `{split}` in its path is one split by itself."""
    from keras_struct import data

    return data.open(spec, split=split if has_splits(spec) else None)


def has_splits(spec: str) -> bool:
    """Whether a spec can name more than one split."""
    return not spec.startswith("coco:") or "{split}" in spec
