"""Files that are either whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | Path, keep: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends well it becomes `path` at once.

    A reader, or a machine that loses power, sees the old file or the new one. If the block
    raises, the old file stays and the temporary one is removed.

    Args:
        path: file to write; its folder is made if needed.
        keep: bool, False to write to the machine's temporary folder and throw the file away: what
            all but one worker of a distributed training do, as every one must take part in
            reading the variables.

    Yields:
        The path to write to, with the same suffix.
    """
    path = Path(path) if keep else Path(tempfile.gettempdir(), Path(path).name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        if keep:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
