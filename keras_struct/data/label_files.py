"""Label maps in PNG files: a byte a pixel, grey or palette, taken as numbers and never as colours.

What opening a data set checks is in the head of a file (size, kind of PNG); what takes decoding
(damage, unknown labels, nothing but ignored pixels) is checked when a label map is read.
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np

from keras_struct.data.errors import dataset_error
from keras_struct.ops.labels import IGNORED

_UNKNOWN = -1
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_KINDS = {2: "colours (RGB)", 4: "grey with alpha", 6: "colours with alpha (RGBA)"}
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


class LabelCodes(NamedTuple):
    """What the bytes of a label file stand for."""

    table: np.ndarray
    advice: str

    @classmethod
    def of(cls, classes: dict[int, int], ignored=(), advice: str = "") -> "LabelCodes":
        """Codes from {byte: label} and the bytes to ignore; 255 always is."""
        table = np.full(256, _UNKNOWN, "int16")
        for byte, label in classes.items():
            table[byte] = label
        table[[IGNORED, *ignored]] = IGNORED
        return cls(table, advice)

    def decode(self, values: np.ndarray, counts, file) -> np.ndarray:
        """Bytes (H, W) to labels (H, W) uint8; `counts` (256,) says how often each occurs."""
        present = np.flatnonzero(counts)
        unknown = present[self.table[present] == _UNKNOWN]
        if len(unknown):
            known = np.flatnonzero((self.table != _UNKNOWN) & (self.table != IGNORED))
            raise dataset_error(
                file,
                "labels",
                f"must hold the ids {_ranges(known)}, or ids that are ignored, "
                f"{_ranges(np.flatnonzero(self.table == IGNORED))}. Received: ids "
                f"{_ranges(unknown)}",
                self.advice,
            )
        if (self.table[present] == IGNORED).all():
            raise dataset_error(
                file,
                "labels",
                f"must hold at least one pixel that is not ignored; it holds {_ranges(present)}",
                "Take the image out of the split, or correct which ids are ignored.",
            )
        return self.table.astype("uint8")[values]


def check_label_file(file, size: tuple[int, int]) -> None:
    """Check by the head of a file that it can be the label map of an image of `size`.

    Raises:
        DatasetError: where it is missing, no PNG of the right kind, or of another size.
    """
    try:
        with open(file, "rb") as stream:
            head = stream.read(26)
    except OSError as error:
        raise dataset_error(file, "labels", f"cannot be read ({error.strerror})") from None
    if len(head) < 26 or head[:8] != _SIGNATURE:
        raise dataset_error(file, "labels", "must be a PNG file; it is damaged or of another type")
    width, height, depth, kind = struct.unpack(">IIBB", head[16:26])
    if kind != _PALETTE and (kind, depth) != (_GREY, 8):
        found = _KINDS.get(kind, f"grey of {depth} bits")
        raise dataset_error(
            file,
            "labels",
            f"must be 8-bit grey or palette, whose numbers are label ids. Received: {found}",
            "Save the ids as 8-bit grey; colours have to be translated to ids first.",
        )
    if (height, width) != tuple(size):
        raise dataset_error(
            file,
            "labels",
            "must have the size (height, width) of its image. "
            f"Received: {(height, width)}, image: {tuple(size)}",
        )


def read_label_map(file, size: tuple[int, int], codes: LabelCodes) -> np.ndarray:
    """Read a label map as (H, W, 1) uint8, 255 to be ignored.

    Raises:
        DatasetError: where it is missing, damaged, of another size than `size`, holds an id that
            is unknown, or nothing but ignored pixels.
    """
    from PIL import Image

    check_label_file(file, size)
    try:
        with Image.open(file, formats=("PNG",)) as image:
            values, counts = np.asarray(image), np.asarray(image.histogram())
    except _DAMAGED as error:
        raise dataset_error(
            file,
            "labels",
            f"must be a readable PNG; it is damaged or cut short ({error})",
            "Replace the file or take it out of the data set.",
        ) from None
    return codes.decode(values, counts, file)[..., None]


def _ranges(numbers) -> str:
    """Rising numbers as text: 0-10, 12, 255."""
    numbers = np.asarray(numbers)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
