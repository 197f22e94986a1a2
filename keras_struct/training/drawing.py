"""Boxes with names, masks and keypoints, and label maps, on a picture."""

import colorsys
from collections.abc import Sequence

import numpy as np

from keras_struct.ops import run_lengths
from keras_struct.ops.labels import IGNORED

_TRUTH = (255, 255, 255)
_OPACITY = 0.45  # of masks
_LEAST_SCORE = 0.05  # of a keypoint that is drawn


def draw_detections(
    image: np.ndarray,
    result: dict[str, np.ndarray],
    class_names: Sequence[str],
    truth: dict[str, np.ndarray] | None = None,
    scale: float = 1.0,
    skeleton: Sequence[tuple[int, int]] = (),
) -> np.ndarray:
    """Draw detections in their class' colour and, thin and white below them, the true boxes.

    Masks have a colour each, so that neighbours of one class stay apart.

    Args:
        image: (H, W, 3) uint8 RGB.
        result: "boxes" (K, 4) xyxy pixels of `image`, "scores", "labels" (K,), without padding;
            optional "masks", (K, H, W) or K run lengths, and "keypoints" (K, J, 3), x, y, score.
        class_names: names of the labels.
        truth: "boxes" (N, 4) xyxy pixels of `image`, or None.
        scale: float > 0, size of the picture over that of the image.
        skeleton: pairs of keypoints, numbers from 0, to join by a line.

    Returns:
        (int(H * scale), int(W * scale), 3) uint8 RGB.
    """
    from PIL import Image, ImageDraw, ImageFont

    order = np.argsort(result["scores"], kind="stable")  # the surest on top
    picture = Image.fromarray(_with_masks(image, result.get("masks", ()), order))
    size = _scaled(picture.size, scale)
    picture = picture.resize(size)
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(size) / 250))
    font = ImageFont.load_default(size=max(9, max(size) / 45))
    for box in [] if truth is None else np.asarray(truth["boxes"], float) * scale:
        draw.rectangle(_corners(box), outline=_TRUTH, width=width)
    for index in order:
        label = int(result["labels"][index])
        color = class_color(label)
        left, top, right, bottom = _corners(np.asarray(result["boxes"][index], float) * scale)
        draw.rectangle((left, top, right, bottom), outline=color, width=width)
        text = f"{class_names[label]} {result['scores'][index]:.2f}"
        background = draw.textbbox((left + 2, top), text, font=font)
        draw.rectangle((left, background[1] - 1, background[2] + 1, background[3] + 1), fill=color)
        draw.text((left + 2, top), text, fill=(0, 0, 0), font=font)
    for index in order if "keypoints" in result else ():
        points = np.asarray(result["keypoints"][index], float) * (scale, scale, 1.0)
        _draw_keypoints(draw, points, class_color(int(index)), skeleton, width)
    return np.asarray(picture)


def _with_masks(image: np.ndarray, masks: Sequence, order: np.ndarray) -> np.ndarray:
    """A copy of an image with translucent masks; one at a time is decoded."""
    mixed = np.array(image)
    for index in order if len(masks) else ():
        one = masks[index]
        one = run_lengths.decode([one], image.shape[:2])[0] if isinstance(one, dict) else one
        inside = np.asarray(one) > 0
        color = np.array(class_color(int(index)), np.float32)
        mixed[inside] = np.round(mixed[inside] * (1 - _OPACITY) + color * _OPACITY)
    return mixed


def _draw_keypoints(draw, points, color, skeleton, width):
    """Points with a score, and the lines between those of the skeleton."""
    seen = points[:, 2] > _LEAST_SCORE
    for first, second in skeleton:
        if seen[first] and seen[second]:
            ends = [tuple(points[end, :2].tolist()) for end in (first, second)]
            draw.line(ends, fill=color, width=width)
    for x, y in points[seen, :2].tolist():
        draw.ellipse((x - width, y - width, x + width, y + width), fill=color, outline=(0, 0, 0))


def draw_label_maps(
    image: np.ndarray, label_maps: Sequence[np.ndarray], scale: float = 1.0, opacity: float = 0.6
) -> np.ndarray:
    """Draw label maps over copies of a picture, side by side.

    Args:
        image: (H, W, 3) uint8 RGB.
        label_maps: (H, W) int each; 255, ignored, lets the picture show.
        scale: float > 0, size of each picture over that of the image.
        opacity: float in [0, 1], of the colours.

    Returns:
        (int(H * scale), len(label_maps) * int(W * scale), 3) uint8 RGB.
    """
    from PIL import Image

    palette = np.array([class_color(label) for label in range(256)], np.float32)
    pictures = []
    for labels in label_maps:
        labels = np.asarray(labels)
        share = np.where(labels == IGNORED, 0.0, opacity)[..., None].astype(np.float32)
        mixed = image * (1.0 - share) + palette[labels] * share
        picture = Image.fromarray(np.round(mixed).astype(np.uint8))
        pictures.append(np.asarray(picture.resize(_scaled(picture.size, scale))))
    return np.concatenate(pictures, axis=1)


def class_color(label: int) -> tuple[int, int, int]:
    """A bright colour for a class; neighbours in the list differ most (golden-angle hues)."""
    rgb = colorsys.hsv_to_rgb((0.33 + label * 0.618034) % 1.0, 0.65, 1.0)
    return tuple(int(255 * part) for part in rgb)


def _corners(box: np.ndarray) -> tuple[float, float, float, float]:
    """Pillow wants x1 <= x2 and y1 <= y2, which a box of a broken model need not keep."""
    left, top, right, bottom = np.nan_to_num(box).tolist()
    return left, top, max(left, right), max(top, bottom)


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return tuple(max(1, int(side * scale)) for side in size)
