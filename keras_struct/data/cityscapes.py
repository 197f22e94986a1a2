"""Reader of the Cityscapes layout with its 19 classes of the benchmark."""

from pathlib import Path

from keras_struct.data.dataset import Dataset
from keras_struct.data.errors import DatasetError
from keras_struct.data.label_files import LabelCodes
from keras_struct.data.label_maps import label_map_dataset, pair_files
from keras_struct.data.paths import inside

CLASS_NAMES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train"),
    *("motorcycle", "bicycle"),
)
# position: class of the benchmark; value: id in the labelIds files, which know 0 to 33
_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_IMAGE_END = "_leftImg8bit"
_BY_ID, _BY_CLASS = "_gtFine_labelIds", "_gtFine_labelTrainIds"


def cityscapes(folder, split: str = "train", strict: bool = False) -> Dataset:
    """Read leftImg8bit/SPLIT/CITY/*_leftImg8bit.png and gtFine/SPLIT/CITY/*_labelIds.png.

    Label ids become the 19 classes of the benchmark, all others are ignored. Where there are
    *_labelTrainIds.png files, these are taken as they are. What is checked when is told at
    `label_maps`. The labels of the test split are withheld: its files hold ignored pixels only,
    which is an error when they are read.

    Args:
        folder: path of the folder that holds leftImg8bit and gtFine.
        split: "train", "val" or any other folder inside.
        strict: decode every image and label map.

    Returns:
        A `Dataset` of the field "segmentation_masks", sorted by city and name.

    Raises:
        DatasetError: for a missing or malformed file, naming the file and the field.

    Source: Cordts et al. 2016, arXiv:1604.01685; labels.py of the authors' cityscapesScripts.
    """
    folder = Path(folder).absolute()
    images = inside(folder / "leftImg8bit", split, folder, "split")
    labels = inside(folder / "gtFine", split, folder, "split")
    if not images.is_dir():
        found = sorted(path.name for path in (folder / "leftImg8bit").glob("*"))
        raise DatasetError(
            f"{folder}: field `split` must name a folder in leftImg8bit. "
            f"Received: split={split!r}. Found: {found}."
        )
    by_class = any(labels.glob(f"*/*{_BY_CLASS}.png"))
    label_end = _BY_CLASS if by_class else _BY_ID
    cities = sorted(path.name for path in images.iterdir() if path.is_dir())
    pairs = [
        pair
        for city in cities
        for pair in pair_files(images / city, labels / city, _IMAGE_END, label_end)
    ]
    if by_class:
        codes = LabelCodes.of({label: label for label in range(len(_IDS))})
    else:
        codes = LabelCodes.of({number: label for label, number in enumerate(_IDS)}, _others())
    return label_map_dataset(pairs, CLASS_NAMES, codes, f"{folder} ({split})", strict)


def _others():
    return [number for number in range(34) if number not in _IDS]
