"""Image files in, whole files out."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm")


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB, turned upright as its EXIF tag says.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an image that Pillow reads, or is cut short.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no image {path}. Check the name.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} cannot be read as an image ({' '.join(str(error).split())}). "
            "Open it in a viewer: it may be damaged or of another kind."
        ) from None


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB pixels as the kind of file that `path` ends in."""
    from PIL import Image

    with atomic(path) as temporary:
        Image.fromarray(image).save(temporary, quality=92)  # kinds without loss ignore it


def write_json(path: str | Path, value) -> None:
    """Write `value` as JSON."""
    with atomic(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; `path` appears only when all went well."""
    path = Path(path)
    # same suffix, as writers choose the format by it; same folder, as a rename must not copy
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
