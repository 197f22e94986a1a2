"""Reader of folders of images and label maps: SPLIT/images/NAME.* and SPLIT/labels/NAME.png."""

from pathlib import Path
from typing import NamedTuple

from keras_struct.data import images
from keras_struct.data.dataset import Dataset
from keras_struct.data.errors import DatasetError, dataset_error
from keras_struct.data.files import FileSource, without_objects
from keras_struct.data.label_files import LabelCodes, check_label_file, read_label_map
from keras_struct.data.paths import inside

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
_MOST_CLASSES = 255


def label_maps(
    folder, split: str = "train", class_names=None, ignored=(), strict: bool = False
) -> Dataset:
    """Read a folder of images and label maps.

    A label map is a PNG, 8-bit grey or palette, of the size of its image, whose numbers are
    labels. When the folder is opened, the names of all files and what their heads say (size, kind)
    are checked. That a file can be decoded, holds known labels and not ignored ones alone is
    checked when it is read; `strict` and `Dataset.validate` read all at once.

    Args:
        folder: path of the folder that holds SPLIT/images and SPLIT/labels.
        split: name of the folder inside.
        class_names: names in label order; default: the lines of `classes.txt` in the folder.
        ignored: label ids that become 255, which is ignored in losses and metrics; 255 always is.
        strict: decode every image and label map.

    Returns:
        A `Dataset` of the field "segmentation_masks", its images sorted by name.

    Raises:
        ValueError: where an id of `ignored` is no byte.
        DatasetError: for a missing or malformed file, naming the file and the field.
    """
    folder = Path(folder).absolute()
    names = _read_class_names(folder) if class_names is None else tuple(class_names)
    check_names(names, folder / "classes.txt" if class_names is None else folder)
    wrong = [number for number in ignored if number not in range(256)]
    if wrong:
        raise ValueError(f"`ignored` must hold whole numbers from 0 to 255. Received: {wrong}.")
    inner = inside(folder, split, folder, "split")
    check_split(folder, inner)
    codes = LabelCodes.of(
        {label: label for label in range(len(names))},
        ignored,
        "List more ids in `ignored`, or give them names in `class_names`.",
    )
    pairs = pair_files(inner / "images", inner / "labels")
    return label_map_dataset(pairs, names, codes, f"{folder} ({split})", strict)


class Pair(NamedTuple):
    """An image and its label map."""

    name: str
    image: Path
    labels: Path


def pair_files(image_folder, label_folder, image_end: str = "", label_end: str = "") -> list[Pair]:
    """Pair the images of a folder with the label maps of another by their names, sorted.

    Args:
        image_folder: path; files with another suffix than those of images are not looked at.
        label_folder: path, of PNG files.
        image_end: how the name of an image ends, before its suffix.
        label_end: how the name of its label map ends instead; other files are not looked at.

    Raises:
        DatasetError: where a folder is missing, or a file has no partner or two.
    """
    found = _files(image_folder, _SUFFIXES, image_end, "images")
    labels = _files(label_folder, (".png",), label_end, "labels")
    for here, there, folder, what in (
        (found, labels, label_folder, "label map"),
        (labels, found, image_folder, "image"),
    ):
        alone = [file for name, file in here.items() if name not in there]
        if alone:
            more = f" (and {len(alone) - 1} more files)" if len(alone) > 1 else ""
            raise dataset_error(
                alone[0], "name", f"must have its {what} in {folder}; it is missing{more}"
            )
    return [Pair(name, found[name], labels[name]) for name in sorted(found)]


def label_map_dataset(pairs, class_names, codes: LabelCodes, name: str, strict: bool) -> Dataset:
    """`Dataset` of pairs of files, their heads checked."""
    records = [_record(pair, codes) for pair in pairs]
    source = FileSource(records, class_names, fields=("segmentation_masks",), name=name)
    dataset = Dataset(source)
    if strict:
        dataset.validate()
    return dataset


def check_names(names, file) -> None:
    """Raise where names of classes are empty, repeated, none or too many for bytes."""
    sound = all(isinstance(name, str) and name for name in names)
    if not sound or not 0 < len(set(names)) == len(names) <= _MOST_CLASSES:
        raise dataset_error(
            file,
            "class_names",
            f"must be 1 to {_MOST_CLASSES} different names, none empty. Received: {names}",
        )


def check_split(folder, inner) -> None:
    """Raise where the folder of a split is missing, and list those that are there."""
    if not inner.is_dir():
        found = sorted(path.parent.name for path in folder.glob("*/images"))
        raise DatasetError(
            f"{folder}: field `split` must name a folder that holds images and labels. "
            f"Received: split={inner.name!r}. Found: {found}."
        )


def _read_class_names(folder):
    file = folder / "classes.txt"
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise dataset_error(
            file,
            "class_names",
            f"must be a text file with one name a line ({error})",
            "Write it, or give `class_names`.",
        ) from None
    return tuple(line.strip() for line in text.rstrip().splitlines())


def _files(folder, suffixes, end, field):
    if not folder.is_dir():
        raise DatasetError(f"{folder}: field `{field}` must be a folder; it is missing.")
    files = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or file.suffix.lower() not in suffixes:
            continue
        if not file.stem.endswith(end):
            continue
        name = file.stem.removesuffix(end)
        if name in files:
            raise dataset_error(
                file, "name", f"must be that of one file, but is also {files[name]}"
            )
        files[name] = file
    return files


def _record(pair, codes):
    size = images.stated_size(pair.image)
    check_label_file(pair.labels, size)
    return without_objects(
        {
            "image_id": pair.name,
            "file": str(pair.image),
            "height": size[0],
            "width": size[1],
            "label_file": str(pair.labels),
            "label_map": lambda: read_label_map(pair.labels, size, codes),
        }
    )
