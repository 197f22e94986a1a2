"""Boxes with names on a picture."""

import colorsys
from collections.abc import Sequence

import numpy as np

_TRUTH = (255, 255, 255)


def draw_detections(
    image: np.ndarray,
    result: dict[str, np.ndarray],
    class_names: Sequence[str],
    truth: dict[str, np.ndarray] | None = None,
    scale: float = 1.0,
) -> np.ndarray:
    """Draw detections in their class' colour and, thin and white below them, the true boxes.

    Args:
        image: (H, W, 3) uint8 RGB.
        result: "boxes" (K, 4) xyxy pixels of `image`, "scores", "labels" (K,), without padding.
        class_names: names of the labels.
        truth: "boxes" (N, 4) xyxy pixels of `image`, or None.
        scale: float > 0, size of the picture over that of the image.

    Returns:
        (int(H * scale), int(W * scale), 3) uint8 RGB.
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(image)
    size = [max(1, int(side * scale)) for side in picture.size]
    picture = picture.resize(size) if scale != 1.0 else picture
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(size) / 250))
    font = ImageFont.load_default(size=max(9, max(size) / 45))
    for box in [] if truth is None else np.asarray(truth["boxes"], float) * scale:
        draw.rectangle(_corners(box), outline=_TRUTH, width=width)
    order = np.argsort(result["scores"], kind="stable")  # the surest on top
    for index in order:
        label = int(result["labels"][index])
        color = class_color(label)
        left, top, right, bottom = _corners(np.asarray(result["boxes"][index], float) * scale)
        draw.rectangle((left, top, right, bottom), outline=color, width=width)
        text = f"{class_names[label]} {result['scores'][index]:.2f}"
        background = draw.textbbox((left + 2, top), text, font=font)
        draw.rectangle((left, background[1] - 1, background[2] + 1, background[3] + 1), fill=color)
        draw.text((left + 2, top), text, fill=(0, 0, 0), font=font)
    return np.asarray(picture)


def class_color(label: int) -> tuple[int, int, int]:
    """A bright colour for a class; neighbours in the list differ most (golden-angle hues)."""
    rgb = colorsys.hsv_to_rgb((0.33 + label * 0.618034) % 1.0, 0.65, 1.0)
    return tuple(int(255 * part) for part in rgb)


def _corners(box: np.ndarray) -> tuple[float, float, float, float]:
    """Pillow wants x1 <= x2 and y1 <= y2, which a box of a broken model need not keep."""
    left, top, right, bottom = np.nan_to_num(box).tolist()
    return left, top, max(left, right), max(top, bottom)
