"""Paths that come out of a data set's own files."""

import os
from pathlib import Path

from keras_struct.data.errors import dataset_error


def inside(root, name: str, file, field: str) -> Path:
    """Join a name found in a file to the folder it must stay in.

    The check reads the name, not the disk: a symbolic link the user put there is followed.

    Raises:
        DatasetError: where the name is empty, absolute or leads out of `root`.
    """
    root = os.path.abspath(root)
    path = os.path.abspath(os.path.join(root, name.replace("\\", "/"))) if name else root
    if "\0" in name or not path.startswith(root + os.sep):
        raise dataset_error(file, field, f"must name a file inside {root}. Received: {name!r}")
    return Path(path)
