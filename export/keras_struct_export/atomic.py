"""Files that are either whole or absent."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from keras_struct_export.errors import ExportError


@contextlib.contextmanager
def replacing(path: Path, companions: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place if the block succeeds.

    Args:
        path: the file to make; its folder is created.
        companions: endings of further files, each named path + ending, replaced together.

    Raises:
        ExportError: if the folder or the files cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    endings = (*companions, "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        for ending in endings:
            os.replace(f"{temporary}{ending}", f"{path}{ending}")
    except OSError as error:
        raise ExportError(
            f"`path` must be writable. Received: path={str(path)!r}, and writing it failed: "
            f"{error.strerror or error}. Free space or choose another folder."
        ) from error
    finally:
        for ending in endings:
            with contextlib.suppress(OSError):
                os.unlink(f"{temporary}{ending}")


def write(path: Path, content: bytes) -> None:
    """Write a file and hand it to the disk, so that a later rename cannot expose a torn one."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
