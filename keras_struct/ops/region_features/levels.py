"""The maps of a pyramid in one table of rows, and the map that each box reads."""

import re
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_struct.ops.region_features.arguments import check_canonical

CANONICAL_SIZE, CANONICAL_LEVEL = 224, 4


class Placed(NamedTuple):
    """One table for all maps, and for each box of (B, R) where its own map lies in it.

    The last four are (B, R, 1), or a number where all boxes have the same.
    """

    table: object  # (rows, C) float32
    first: object  # int32, where the map begins, in rows of one block
    height: object  # int32, cells
    width: object  # int32, cells
    stride: object  # int32, pixels, a power of two


class Pyramid:
    """Maps in order of their stride, and which of them each box reads.

    A box reads level floor(canonical_level + log2(sqrt(area) / canonical_size)), or else the
    nearest finer one there is, or the finest.

    Args:
        levels: {"P2": (B, h, w, C), ...}, stride 2**number.
        boxes: (B, R, 4) float32, xyxy, pixels.
        canonical_size: number, pixels; sqrt(area) from which a box reads `canonical_level`.
        canonical_level: int, log2 of a stride.

    Raises:
        ValueError: if `levels` or `boxes` are not of this form, or heights or widths are unknown.

    Source: Lin et al. 2017, arXiv:1612.03144, eq. 1.
    """

    def __init__(
        self, levels, boxes, canonical_size=CANONICAL_SIZE, canonical_level=CANONICAL_LEVEL
    ):
        check_regions(levels, boxes)
        check_canonical(canonical_size, canonical_level)
        numbers = sorted(int(name[1:]) for name in levels)
        self.maps = [ops.cast(levels[f"P{number}"], "float32") for number in numbers]
        self.sides = [_known_sides(features) for features in self.maps]
        self.strides = [2**number for number in numbers]
        # Boxes say where to read: they do not learn from what is read there.
        self.boxes = ops.stop_gradient(ops.cast(boxes, "float32"))
        # Areas against powers of two, since a logarithm would round them.
        limits = [canonical_size * 2.0 ** (number - canonical_level) for number in numbers]
        self._choice = _number_reached(_areas(self.boxes), [limit**2 for limit in limits[1:]])

    def of_box(self, numbers):
        """What of int `numbers`, one a level, is that of each box: (B, R, 1) int32, or an int."""
        if len(set(numbers)) == 1:
            return numbers[0]
        return ops.take(ops.convert_to_tensor(np.asarray(numbers, "int32")), self._choice)

    def place(self, maps, blocks: int = 1) -> Placed:
        """Put maps in one table.

        Args:
            maps: list of (B, rows, blocks * C) float32, one a level.
            blocks: int, parts of the channels that become rows of their own, behind each other.
        """
        rows = [int(cells.shape[1]) for cells in maps]
        joined = maps[0] if len(maps) == 1 else ops.concatenate(maps, axis=1)
        images = ops.arange(ops.shape(joined)[0], dtype="int32")[:, None, None]
        return Placed(
            ops.reshape(joined, (-1, joined.shape[-1] // blocks)),
            images * sum(rows) + self.of_box([0, *np.cumsum(rows[:-1]).tolist()]),
            self.of_box([height for height, _ in self.sides]),
            self.of_box([width for _, width in self.sides]),
            self.of_box(self.strides),
        )

    def regions(self, rows, size: int):
        """Rows (B * R * n * n, C), n = `size`, by image, box and bin: (B, R, n, n, C)."""
        return ops.reshape(rows, (-1, ops.shape(self.boxes)[1], size, size, rows.shape[-1]))


def cells_of(features):
    """A map (B, h, w, C) as (B, h * w, C)."""
    _, height, width, channels = features.shape
    return ops.reshape(features, (-1, height * width, channels))


def check_regions(levels, boxes):
    """Check what all region features take.

    Args:
        levels: dict of tensors.
        boxes: tensor.

    Raises:
        ValueError: if a name or a shape is not what they take.
    """
    if not isinstance(levels, dict) or not levels:
        raise ValueError(
            "`levels` must be a dict of feature maps, at least one. "
            f'Received: levels={str(levels):.80}. Give {{"P4": features}}, if the stride is 16.'
        )
    names = list(levels)
    if not all(isinstance(name, str) and re.fullmatch(r"P(0|[1-9]\d?)", name) for name in names):
        raise ValueError(
            '`levels` must have names like "P4": P and log2 of the stride in pixels. '
            f"Received: levels with names {names}. Rename them."
        )
    shapes = {name: tuple(features.shape) for name, features in levels.items()}
    if any(len(shape) != 4 for shape in shapes.values()):
        raise ValueError(
            f"`levels` must hold (B, h, w, C). Received: levels of shapes {shapes}. "
            "Give every map its batch and its channels."
        )
    if len({shape[3] for shape in shapes.values()}) > 1:
        raise ValueError(
            f"`levels` must have the same channels. Received: levels of shapes {shapes}. "
            "Bring them to one number, as a feature pyramid does."
        )
    shape = tuple(boxes.shape)
    if len(shape) != 3 or shape[2] != 4:
        raise ValueError(
            f"`boxes` must be (B, R, 4), xyxy. Received: boxes of shape {shape}. "
            "Give every image its boxes, padded to one number."
        )
    batches = {shape[0], *(other[0] for other in shapes.values())} - {None}
    if len(batches) > 1:
        raise ValueError(
            "`boxes` must be of the same images as `levels`. Received: boxes of shape "
            f"{shape} and levels of shapes {shapes}. Give both the same batch size."
        )


def _known_sides(features):
    sides = tuple(features.shape[1:3])
    if None in sides:
        raise ValueError(
            "`levels` must have known heights and widths. Received: a level of shape "
            f"{tuple(features.shape)}. Build the network for one image size."
        )
    return sides


def _areas(boxes):
    sizes = ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sizes[..., :1] * sizes[..., 1:]


def _number_reached(values, limits):
    """How many of rising limits each value reaches."""
    reached = ops.zeros_like(values, "int32")
    for limit in limits:
        reached = reached + ops.cast(values >= limit, "int32")
    return reached
