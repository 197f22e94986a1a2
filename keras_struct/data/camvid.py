"""Reader of CamVid with the eleven classes it is reported on."""

from pathlib import Path

from keras_struct.data.dataset import Dataset
from keras_struct.data.label_files import LabelCodes
from keras_struct.data.label_maps import check_split, label_map_dataset, pair_files
from keras_struct.data.paths import inside

CLASS_NAMES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car") + (
    "pedestrian",
    "bicyclist",
)
_VOID = 11


def camvid(folder, split: str = "train", strict: bool = False) -> Dataset:
    """Read CamVid's street scenes: 11 classes, id 11 (void) ignored.

    Either layout will do: SPLIT/images/NAME.* with SPLIT/labels/NAME.png, or SegNet's
    SPLIT/NAME.png with SPLITannot/NAME.png. What is checked when is told at `label_maps`.

    Args:
        folder: path of the folder that holds the splits.
        split: "train", "val", "test" or any other that is there.
        strict: decode every image and label map.

    Returns:
        A `Dataset` of the field "segmentation_masks".

    Raises:
        DatasetError: for a missing or malformed file, naming the file and the field.

    Source: Brostow et al. 2009, Pattern Recognition Letters 30(2); classes and splits of
        Badrinarayanan et al. 2017, arXiv:1511.00561.
    """
    folder = Path(folder).absolute()
    inner = inside(folder, split, folder, "split")
    annotated = inner.with_name(f"{inner.name}annot")
    if annotated.is_dir():
        pairs = pair_files(inner, annotated)
    else:
        check_split(folder, inner)
        pairs = pair_files(inner / "images", inner / "labels")
    codes = LabelCodes.of({label: label for label in range(_VOID)}, (_VOID,))
    return label_map_dataset(pairs, CLASS_NAMES, codes, f"{folder} ({split})", strict)
