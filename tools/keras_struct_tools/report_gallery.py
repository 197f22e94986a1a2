"""Pictures with the boxes of every artefact: each picture is embedded once, as JPEG."""

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from keras_struct_tools import report_text as text

SCORE_THRESHOLD = 0.4
LONGEST_SIDE = 480


def jpeg_uri(image: np.ndarray, longest: int = LONGEST_SIDE) -> str:
    """Return an image (H, W, 3) uint8 as a `data:` address, made smaller where it is large."""
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest))
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=84)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def colour_of(label: int) -> str:
    """Return a colour for a class: hues a golden angle apart never come close early."""
    return f"hsl({(label * 137.5 + 205) % 360:.0f} 85% 58%)"


def _box(box, words: str, label: int, unit: float) -> str:
    x1, y1, x2, y2 = (float(value) for value in box)
    size, colour = 12 * unit, colour_of(label)
    width = (0.6 * len(words) + 0.7) * size
    top = y1 - 1.35 * size if y1 > 1.35 * size else y1
    return (
        f'<g style="--c:{colour}"><rect class="box" x="{x1:.1f}" y="{y1:.1f}" '
        f'width="{max(0.0, x2 - x1):.1f}" height="{max(0.0, y2 - y1):.1f}"/>'
        f'<rect class="tag" x="{x1:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{1.35 * size:.1f}"/><text x="{x1 + 0.35 * size:.1f}" y="{top + size:.1f}" '
        f'font-size="{size:.1f}">{escape(words)}</text></g>'
    )


def _layer(key: str, fields: dict, class_names: list[str], unit: float) -> str:
    scores = fields.get("scores", np.ones(len(fields["labels"])))
    parts = []
    for box, score, label in zip(fields["boxes"], scores, fields["labels"], strict=True):
        if label < 0 or score < SCORE_THRESHOLD:
            continue
        words = class_names[int(label)] + (f" {score:.2f}" if "scores" in fields else "")
        parts.append(_box(box, words, int(label), unit))
    return f'<g class="layer" data-layer="{escape(key, quote=True)}">{"".join(parts)}</g>'


def gallery(items: list[dict], layers: list[tuple[str, str]], class_names: list[str]) -> str:
    """Return the pictures and the buttons that choose whose boxes are drawn.

    Args:
        items: dicts `{"image": (H, W, 3) uint8, "layers": {key: {"boxes", "labels"[, "scores"]}}}`
            in pixels of the image.
        layers: (key, words on its button); the first is shown at the start.
        class_names: names of the classes.
    """
    if not items:
        return '<p class="empty">No pictures: nothing could be run on this machine.</p>'
    buttons = "".join(
        f'<button type="button" class="chip" data-show="{escape(key, quote=True)}" '
        f'aria-pressed="{"false" if number else "true"}">{escape(words)}</button>'
        for number, (key, words) in enumerate(layers)
    )
    figures = []
    for item in items:
        height, width = item["image"].shape[:2]
        unit = max(height, width) / 340
        drawn = "".join(
            _layer(key, item["layers"][key], class_names, unit)
            for key, _ in layers
            if key in item["layers"]
        )
        figures.append(
            f'<figure><img alt="" src="{jpeg_uri(item["image"])}" width="{width}" '
            f'height="{height}"><svg viewBox="0 0 {width} {height}" aria-hidden="true">'
            f"{drawn}</svg></figure>"
        )
    return f'<div class="chips">{buttons}</div><div class="pictures">{"".join(figures)}</div>'


def truth_layer(annotation: dict) -> dict:
    """Return the annotated boxes of an image as a layer."""
    return {"boxes": annotation["boxes"], "labels": annotation["labels"]}


def layer_names(document: dict) -> dict[str, str]:
    """Return the words for each artefact's key, without its number of threads."""
    several = len({row["model"] for row in document["rows"]}) > 1
    names = {}
    for row in document["rows"]:
        key = f"{row['model']}-{row['target']}-{row['precision']}"
        words = f"{text.TARGET_NAMES.get(row['target'], row['target'])} {row['precision']}"
        names[key] = f"{row['model']} · {words}" if several else words
    return names
