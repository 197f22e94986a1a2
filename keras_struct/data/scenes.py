"""Drawing for the shapes world: where shapes lie, which pixels they cover, how they look."""

import functools
from typing import NamedTuple

import numpy as np

CLASS_NAMES = ("circle", "square", "triangle", "star", "cross", "ring")
KEYPOINT_NAMES = ("center", "left", "top", "right", "bottom")
_ATTEMPTS = 30
# shapes may overlap a little, never so much that one hides another
_MIN_DISTANCE = 0.8
_FIRST_IGNORED, _LAST_IGNORED = 0.1, 0.9
_FINEST = 24


class World(NamedTuple):
    """All images of one seed."""

    size: tuple[int, int]
    seed: int
    class_names: tuple[str, ...]
    max_objects: int

    def scene(self, number: int) -> dict:
        """What image `number` shows: boxes, labels, masks, label map, keypoints, coverage."""
        random = np.random.default_rng((self.seed, number, 0))
        placed = self._place(random)
        height, width = self.size
        coverage = np.zeros((len(placed), height, width), "float32")
        for layer, shape in zip(coverage, placed, strict=True):
            _draw(layer, shape)
        masks = _visible(coverage)
        labels = np.array([self.class_names.index(shape["name"]) for shape in placed], "int32")
        boxes = np.stack([_tight_box(mask) for mask in masks])
        return {
            "boxes": boxes,
            "labels": labels,
            "instance_masks": masks,
            "segmentation_masks": _label_map(masks, coverage, labels),
            "keypoints": np.stack(
                [_keypoints(*item) for item in zip(masks, boxes, placed, strict=True)]
            ),
            "coverage": coverage,
        }

    def _place(self, random):
        height, width = self.size
        placed = []
        for _ in range(random.integers(1, self.max_objects + 1)):
            for _ in range(_ATTEMPTS):
                shape = {
                    "name": self.class_names[random.integers(len(self.class_names))],
                    "radius": min(height, width) * 0.07 * (4.0 ** random.random()),
                    "angle": random.random() * 2 * np.pi,
                }
                shape["x"] = random.uniform(0.5 * shape["radius"], width - 0.5 * shape["radius"])
                shape["y"] = random.uniform(0.5 * shape["radius"], height - 0.5 * shape["radius"])
                if all(_apart(shape, other) for other in placed):
                    placed.append(shape)
                    break
        return placed

    def paint(self, number: int, scene: dict) -> np.ndarray:
        """Image `number` as (H, W, 3) uint8, given its scene."""
        random = np.random.default_rng((self.seed, number, 1))
        canvas = _background(random, self.size)
        for coverage, box in zip(scene["coverage"], scene["boxes"], strict=True):
            left, top, right, bottom = _grown(box, self.size)
            part = canvas[top:bottom, left:right]
            alpha = coverage[top:bottom, left:right, None]
            part += alpha * (_material(random, part) - part)
        canvas += random.integers(-7, 8, (*self.size, 1), "int8")
        return np.clip(canvas, 0, 255).astype("uint8")


def _apart(shape, other):
    distance = np.hypot(shape["x"] - other["x"], shape["y"] - other["y"])
    return distance >= _MIN_DISTANCE * (shape["radius"] + other["radius"])


def _draw(layer, shape):
    """Write the share of every pixel a shape covers, 0 to 1, into `layer`."""
    height, width = layer.shape
    x, y, radius = shape["x"], shape["y"], shape["radius"]
    left, right = max(0, int(x - radius - 1)), min(width, int(x + radius + 2))
    top, bottom = max(0, int(y - radius - 1)), min(height, int(y + radius + 2))
    u = (np.arange(left, right, dtype="float32") + 0.5 - x)[None] / radius
    v = (np.arange(top, bottom, dtype="float32") + 0.5 - y)[:, None] / radius
    cosine, sine = np.cos(shape["angle"]), np.sin(shape["angle"])
    inside = _DISTANCES[shape["name"]](u * cosine + v * sine, v * cosine - u * sine)
    layer[top:bottom, left:right] = np.clip(inside * radius + 0.5, 0, 1)


def _half_planes(u, v, sides, distance):
    angles = np.arange(sides) * 2 * np.pi / sides
    normals = np.stack([np.cos(angles), np.sin(angles)], 1).astype("float32")
    return np.float32(distance) - (normals[:, 0, None, None] * u + normals[:, 1, None, None] * v)


def _cross(u, v):
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.minimum(0.94 - u, 0.33 - v), np.minimum(0.33 - u, 0.94 - v))


# Distance to the outline in radii, positive inside. A point is in a five-pointed star where it is
# on the inner side of at least four of the five lines the star is drawn with.
_DISTANCES = {
    "circle": lambda u, v: 1 - np.hypot(u, v),
    "square": lambda u, v: 0.7071 - np.maximum(np.abs(u), np.abs(v)),
    "triangle": lambda u, v: _half_planes(u, v, 3, 0.5).min(0),
    "star": lambda u, v: np.partition(_half_planes(u, v, 5, np.cos(0.4 * np.pi)), 1, 0)[1],
    "cross": _cross,
    "ring": lambda u, v: 0.25 - np.abs(np.hypot(u, v) - 0.75),
}


def _visible(coverage):
    masks = coverage >= 0.5
    for index in range(len(masks) - 1):
        masks[index] &= ~masks[index + 1 :].any(0)
    return masks.astype("uint8")


def _tight_box(mask):
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return np.float32([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def _label_map(masks, coverage, labels):
    label_map = np.zeros(masks.shape[1:], "uint8")
    for mask, label in zip(masks, labels, strict=True):
        label_map[mask > 0] = label + 1
    soft = ((coverage > _FIRST_IGNORED) & (coverage < _LAST_IGNORED)).any(0)
    label_map[soft] = 255
    return label_map[..., None]


def _keypoints(mask, box, shape):
    left, top, right, bottom = (int(edge) for edge in box)
    x, y = shape["x"], shape["y"]
    hidden = 2 if mask[int(y), int(x)] else 1
    row = lambda line: np.flatnonzero(line).mean() + 0.5  # noqa: E731
    return np.float32(
        [
            [x, y, hidden],
            [left, row(mask[:, left]), 2],
            [row(mask[top]), top, 2],
            [right, row(mask[:, right - 1]), 2],
            [row(mask[bottom - 1]), bottom, 2],
        ]
    )


def _grown(box, size):
    left, top, right, bottom = (int(edge) for edge in box)
    return max(0, left - 2), max(0, top - 2), min(size[1], right + 2), min(size[0], bottom + 2)


def _material(random, part):
    """Colour of a shape: a shaded or striped paint that stands out from what is below it."""
    below = part.mean((0, 1))
    paint = max((random.uniform(20, 245, 3) for _ in range(4)), key=lambda c: abs(c - below).sum())
    height, width = part.shape[:2]
    x = np.linspace(-1, 1, width, dtype="float32")[None, :, None]
    y = np.linspace(-1, 1, height, dtype="float32")[:, None, None]
    angle = random.random() * 2 * np.pi
    slope = x * np.cos(angle) + y * np.sin(angle)
    if random.random() < 0.35:
        slope = np.sign(np.sin(slope * random.uniform(6, 14)))
    return (paint + 28 * slope).astype("float32")


def _background(random, size):
    first, second = random.uniform(30, 225, (2, 3)).astype("float32")
    field = np.zeros((_FINEST, _FINEST), "float32")
    for cells, weight in ((3, 0.5), (8, 0.3), (_FINEST, 0.2)):
        field += weight * _enlarge(random.random((cells, cells), "float32"), field.shape)
    return first + _enlarge(field, size)[..., None] * (second - first)


def _enlarge(grid, size):
    """Interpolate a grid linearly; no matrix product, as those wake up threads of their own."""
    for axis in (0, 1):
        low, share = _cells(size[axis], grid.shape[axis])
        share = share[:, None] if axis == 0 else share[None]
        below, above = grid.take(low, axis), grid.take(low + 1, axis)
        grid = below + share * (above - below)
    return grid


@functools.lru_cache(maxsize=32)
def _cells(length, cells):
    position = np.linspace(0, cells - 1, length, dtype="float32")
    low = np.minimum(position.astype(int), cells - 2)
    return low, position - low
