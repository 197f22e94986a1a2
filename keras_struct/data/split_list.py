"""Lists of image names, one text file a split, as in VOC's ImageSets."""

from pathlib import PurePosixPath

from keras_struct.data.errors import DatasetError, dataset_error


def read_split(folder, split: str, subfolders=("Main", "")) -> list[str]:
    """Names in ImageSets/SUBFOLDER/SPLIT.txt, of the first subfolder that has this list.

    Raises:
        DatasetError: where there is no such list, or it is empty or repeats a name.
    """
    candidates = [folder / "ImageSets" / sub / f"{split}.txt" for sub in subfolders]
    file = next((path for path in candidates if path.is_file()), None)
    if file is None or PurePosixPath(split).name != split:
        found = sorted(path.stem for path in (folder / "ImageSets").glob("**/*.txt"))
        places = " or ".join(str(PurePosixPath("ImageSets") / sub) for sub in sorted(subfolders))
        raise DatasetError(
            f"{folder}: field `split` must name a list in {places}. "
            f"Received: split={split!r}. Found: {found}."
        )
    # the second column of VOC's per-class lists (1, 0, -1) says nothing about the image
    names = [line.split()[0] for line in file.read_text("utf-8").splitlines() if line.strip()]
    if not names:
        raise dataset_error(file, "split", "must list at least one image; it is empty")
    repeated = (
        {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    )
    if repeated:
        raise dataset_error(file, "split", f"must list an image once. Repeated: {sorted(repeated)}")
    return names
