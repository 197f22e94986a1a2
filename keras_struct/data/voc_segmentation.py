"""Reader of the label maps of the PASCAL VOC layout: SegmentationClass/*.png."""

from pathlib import Path

from keras_struct.data.dataset import Dataset
from keras_struct.data.errors import dataset_error
from keras_struct.data.label_files import LabelCodes
from keras_struct.data.label_maps import Pair, check_names, label_map_dataset
from keras_struct.data.paths import inside
from keras_struct.data.split_list import read_split

CLASS_NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


def voc_segmentation(
    folder, split: str = "train", class_names=None, strict: bool = False
) -> Dataset:
    """Read JPEGImages/NAME.jpg, SegmentationClass/NAME.png and ImageSets/Segmentation/SPLIT.txt.

    Label maps are palette images, of which the numbers count and not the colours; 255, the border
    of objects, is ignored. What is checked when is told at `label_maps`.

    Args:
        folder: path of the folder that holds these three.
        split: name of a list in ImageSets/Segmentation.
        class_names: names in label order, the background among them; default: the 21 of VOC.
        strict: decode every image and label map.

    Returns:
        A `Dataset` of the field "segmentation_masks", in the order of the list.

    Raises:
        DatasetError: for a missing or malformed file, naming the file and the field.

    Source: Everingham et al. 2010, the VOC development kit.
    """
    folder = Path(folder).absolute()
    names = read_split(folder, split, ("Segmentation",))
    class_names = CLASS_NAMES if class_names is None else tuple(class_names)
    check_names(class_names, folder)
    pairs = [_pair(folder, name) for name in names]
    codes = LabelCodes.of({label: label for label in range(len(class_names))})
    return label_map_dataset(pairs, class_names, codes, f"{folder} ({split})", strict)


def _pair(folder, name):
    image = inside(folder / "JPEGImages", f"{name}.jpg", folder, "ImageSets entry")
    labels = inside(folder / "SegmentationClass", f"{name}.png", folder, "ImageSets entry")
    for file in (image, labels):
        if not file.is_file():
            raise dataset_error(file, "name", f"is missing, though the list names {name!r}")
    return Pair(name, image, labels)
