"""Label maps as picture files: colours, palette indices or grey values, read and written alike."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_MOST_LABELS = 256


@dataclass(frozen=True)
class LabelFile:
    """A label map that was read from a file.

    Attributes:
        labels: (H, W) int, 0 .. C - 1 in the order of `values`, -1 unknown.
        values: (C,) int, what each label is in the file: its grey value or palette index, or its
            colour as 0xRRGGBB.
        mode: Pillow's, "L", "P" or "RGB".
        options: palette and transparency of the file.
    """

    labels: np.ndarray
    values: np.ndarray
    mode: str
    options: dict[str, Any]

    def save(self, path: Path, labels: np.ndarray) -> None:
        """Write (H, W) labels, none of them unknown, in the form of this file; whole or not."""
        from PIL import Image

        from keras_struct.training.files import replacing

        pixels = self.values[labels]
        if self.mode == "RGB":
            pixels = np.stack([pixels >> 16, pixels >> 8 & 255, pixels & 255], axis=-1)
        image = Image.fromarray(pixels.astype("uint8"))
        options = dict(self.options)
        if self.mode == "P":
            image.putpalette(options.pop("palette"))
        with replacing(path) as temporary:
            image.save(temporary, **options)


def read_label_file(file: Path, unknown: str) -> LabelFile:
    """Read a label map; every value, or colour, that is in it is a label.

    Args:
        file: of 8-bit grey, a palette, or colours.
        unknown: "black" for pixels whose colour is black, an id (grey value or palette index), or
            "none".

    Raises:
        ValueError: if it cannot be read, is of another kind, holds too many colours, or no label.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{file}: must be an image that can be read. {error}") from error
    if image.mode == "RGBA":
        image = image.convert("RGB")
    if image.mode not in ("L", "P", "RGB"):
        raise ValueError(
            f"{file}: must be of 8-bit grey, a palette, or RGB. Received: Pillow's mode "
            f"{image.mode!r}. Save it as a PNG of one of these."
        )
    pixels = np.asarray(image).astype("int64")
    if image.mode == "RGB":
        pixels = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    values, labels = np.unique(pixels, return_inverse=True)
    hidden = np.isin(values, _unknown_values(image, unknown, file))
    if hidden.all():
        raise ValueError(
            f"{file}: must hold a label. All of its pixels are unknown (--unknown={unknown})."
        )
    if (~hidden).sum() > _MOST_LABELS:
        raise ValueError(
            f"{file}: must have at most {_MOST_LABELS} labels. Received: {(~hidden).sum()} "
            "colours. Label maps must not be JPEGs, resized or drawn with soft edges."
        )
    order = np.where(hidden, -1, np.cumsum(~hidden) - 1)
    labels = order[labels.reshape(pixels.shape)]
    return LabelFile(labels, values[~hidden], image.mode, _options(image))


def _unknown_values(image, unknown, file):
    if unknown == "none":
        return []
    if unknown == "black":
        return _black_values(image)
    if image.mode == "RGB":
        raise ValueError(
            f"{file}: has colours, so `--unknown` must be black or none. "
            f"Received: --unknown={unknown}."
        )
    return [int(unknown)]


def _black_values(image):
    if image.mode != "P":
        return [0]
    palette = np.zeros((256, 3), "uint8")
    colours = np.reshape(image.getpalette("RGB"), (-1, 3))
    palette[: len(colours)] = colours
    return np.flatnonzero(~palette.any(axis=1))


def _options(image):
    options = {}
    if image.mode == "P":
        options["palette"] = image.getpalette("RGB")
        if "transparency" in image.info:
            options["transparency"] = image.info["transparency"]
    return options
