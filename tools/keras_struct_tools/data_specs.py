"""Data sets as they are named on the command line."""

from typing import Any

from absl import flags

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


def with_proposals(dataset: Any, file: str | None, model: Any) -> Any:
    """The data set with the proposals of a file where the model takes them.

    Raises:
        absl.flags.Error: if the model needs a file and none was given, or the reverse.
    """
    takes = "proposals" in getattr(model, "fields", ())
    if takes != (file is not None):
        rule = "must come with" if takes else "must not come with"
        raise flags.Error(
            f"`--proposals` {rule} this model, which takes {'' if takes else 'no '}proposals with "
            f"its images. Received: --proposals={file}. `keras-struct propose` writes such a file."
        )
    return dataset.with_proposals(file, model.num_proposals) if takes else dataset
