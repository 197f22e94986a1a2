"""Draws label maps with Pillow: as an overlay with a legend, and as a palette image."""

import numpy as np

from .drawing import class_colour, finished, ink_on, opened, text_font

CLEAR = "background"
NO_CLASS_COLOUR = (224, 224, 192)
_OPAQUE = 255


def class_colours(class_names: tuple[str, ...]) -> np.ndarray:
    """(256, 3) uint8: the colour of every label; black for a class called "background"."""
    colours = np.array([class_colour(label) for label in range(256)], np.uint8)
    colours[255] = NO_CLASS_COLOUR
    for label, name in enumerate(class_names):
        if name == CLEAR:
            colours[label] = 0
    return colours


def palette_image(labels: np.ndarray, class_names: tuple[str, ...]):
    """A Pillow image of mode P: its pixels are the labels (H, W) uint8, its palette the colours."""
    from PIL import Image

    image = Image.fromarray(labels)  # "L"; the palette makes it "P"
    image.putpalette(class_colours(class_names).tobytes())
    return image


def draw_segmentation(image, segmentation, alpha: float = 0.5, legend: bool = True):
    """Draw `segmentation` over a copy of `image` (see `Segmentation.draw`)."""
    from PIL import Image

    if not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be in [0, 1]. Received: alpha={alpha!r}.")
    canvas = opened(image)
    labels, names = segmentation.labels, segmentation.class_names
    if canvas.size[::-1] != labels.shape:
        raise ValueError(
            f"`image` must have the label map's size {labels.shape}. Received: image of size "
            f"{canvas.size[::-1]}. Give the image the label map was made from."
        )
    opacity = np.full(256, round(_OPAQUE * alpha), np.uint8)
    opacity[255] = 0
    opacity[[label for label, name in enumerate(names) if name == CLEAR]] = 0
    colours = palette_image(labels, names).convert("RGB")
    canvas.paste(colours, mask=Image.fromarray(opacity[labels]))
    if legend:
        _draw_legend(canvas, segmentation)
    return finished(canvas, image)


def _draw_legend(canvas, segmentation):
    """Names on their colours in the upper left corner, the largest class first."""
    from PIL import ImageDraw

    pen, font = ImageDraw.Draw(canvas), text_font(canvas)
    seen = [(name, area["label"]) for name, area in segmentation.areas.items() if name != CLEAR]
    boxes = [pen.textbbox((0, 0), name, font=font) for name, _ in seen]
    margin = 3
    row = max((box[3] for box in boxes), default=0) + 2 * margin
    width = max((box[2] for box in boxes), default=0) + 2 * margin
    for index, (name, label) in enumerate(seen[: canvas.size[1] // row]):
        top, colour = index * row, class_colour(label)
        pen.rectangle((0, top, width - 1, top + row - 1), fill=colour)
        pen.text((margin, top + margin), name, fill=ink_on(colour), font=font)
