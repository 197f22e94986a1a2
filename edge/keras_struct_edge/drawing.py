"""Draws detections on an image with Pillow, and what all drawings share."""

import colorsys

import numpy as np

from .preprocessing import check_image

_OPACITY = 0.45  # of masks
_LEAST_SCORE = 0.05  # of a keypoint that is drawn


def class_colour(label: int) -> tuple[int, int, int]:
    """A fixed, bright RGB colour for a class; neighbouring labels lie far apart."""
    hue = (0.58 + label * 0.618034) % 1.0  # golden ratio: any run of labels spreads evenly
    value = (1.0, 0.8, 0.9)[label % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def opened(image):
    """A Pillow image (RGB) to draw on, a copy of `image`; an array or a Pillow image."""
    from PIL import Image

    if isinstance(image, np.ndarray):
        return Image.fromarray(check_image(image))
    if not isinstance(image, Image.Image):
        raise TypeError(
            "`image` must be a (H, W, 3) uint8 array or a Pillow image. "
            f"Received: image of type {type(image).__name__}. Open files with PIL.Image.open."
        )
    canvas = image.convert("RGB")
    return canvas if canvas is not image else canvas.copy()


def finished(canvas, image):
    """What was drawn, in the form that `image` was given."""
    return np.asarray(canvas) if isinstance(image, np.ndarray) else canvas


def text_font(canvas):
    """Pillow's own font in a size that suits the picture."""
    from PIL import ImageFont

    return ImageFont.load_default(size=max(10, round(min(canvas.size) / 32)))


def ink_on(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever is read more easily on a colour."""
    return (0, 0, 0) if _luminance(colour) > 0.45 else (255, 255, 255)


def draw_detections(image, detections, line_width: int | None = None):
    """Draw `detections` over a copy of `image` (see `Detections.draw`)."""
    from PIL import ImageDraw

    if line_width is not None and (type(line_width) is not int or line_width < 1):
        raise ValueError(
            f"`line_width` must be a positive integer or None. Received: line_width={line_width!r}."
        )
    canvas = opened(image)
    if detections.masks is not None:
        canvas = _with_masks(canvas, detections.masks)
    line = line_width or max(1, round(min(canvas.size) / 200))
    font = text_font(canvas)
    pen = ImageDraw.Draw(canvas)
    # best last, so that what the model is surest of lies on top; text above all lines
    worst_first = list(detections.without_details())[::-1]
    for one in worst_first:
        box = _pixels(one.boxes[0], canvas.size)
        pen.rectangle(box, outline=class_colour(int(one.labels[0])), width=line)
    for one in worst_first:
        _draw_label(pen, canvas.size, one, max(2, line), font)
    for index in range(len(detections))[::-1] if detections.keypoints is not None else ():
        _draw_keypoints(
            pen, detections.keypoints[index], detections.skeleton, class_colour(index), line
        )
    return finished(canvas, image)


def _with_masks(canvas, masks):
    """The image below translucent masks, each in a colour of its own: neighbours stay apart."""
    from PIL import Image

    if masks.shape[1:] != canvas.size[::-1]:
        raise ValueError(
            f"`image` must have the masks' size {masks.shape[1:]}. Received: image of size "
            f"{canvas.size[::-1]}. Give the image the masks were made from."
        )
    pixels = np.array(canvas)
    for index in range(len(masks))[::-1]:
        colour = np.array(class_colour(index), np.float32)
        inside = masks[index]
        pixels[inside] = np.round(pixels[inside] * (1 - _OPACITY) + colour * _OPACITY)
    return Image.fromarray(pixels)


def _draw_keypoints(pen, points, skeleton, colour, line):
    """Points with a score, and lines between those that the skeleton joins."""
    seen = points[:, 2] > _LEAST_SCORE
    for first, second in skeleton:
        if seen[first] and seen[second]:
            pen.line([*points[first, :2].tolist(), *points[second, :2].tolist()], colour, line)
    radius = line + 1
    for x, y in points[seen, :2].tolist():
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), colour, (0, 0, 0))


def _draw_label(pen, size, one, margin, font):
    """Name and score above the box, or just inside it where the image ends."""
    label = int(one.labels[0])
    colour = class_colour(label)
    x1, y1, _, _ = _pixels(one.boxes[0], size)
    text = f"{one.class_name(label)} {one.scores[0]:.2f}"
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * margin, bottom - top + 2 * margin
    x = min(x1, max(0, size[0] - width))
    y = y1 - height if y1 >= height else min(y1, max(0, size[1] - height))
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    pen.text((x + margin - left, y + margin - top), text, fill=ink_on(colour), font=font)


def _pixels(box, size):
    """The first and last pixel that a box with continuous edges covers, inside the image."""
    limit = np.array([size[0], size[1]] * 2) - 1
    corners = np.concatenate((np.floor(box[:2]), np.ceil(box[2:]) - 1))
    corners = np.clip(corners, 0, limit).astype(int)
    corners[2:] = np.maximum(corners[2:], corners[:2])
    return corners.tolist()


def _luminance(colour):
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255
