"""Pictures with what every artefact found: each picture is embedded once, as JPEG."""

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from keras_struct.ops import run_lengths
from keras_struct_edge.drawing_label_maps import CLEAR, class_colours, palette_image
from keras_struct_tools import report_text as text

SCORE_THRESHOLD = 0.4
LONGEST_SIDE = 480
OPACITY = 150  # of 255, for label maps and masks
LEAST_KEYPOINT_SCORE = 0.05


def jpeg_uri(image: np.ndarray, longest: int = LONGEST_SIDE) -> str:
    """Return an image (H, W, 3) uint8 as a `data:` address, made smaller where it is large."""
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest))
    return _uri(picture, "jpeg", quality=84)


def label_map_uri(
    labels: np.ndarray, class_names: tuple[str, ...], longest: int = LONGEST_SIDE
) -> str:
    """Return a label map (H, W) as a `data:` address: a palette PNG that lets a picture through.

    The class "background" and ignored pixels (255) are clear.
    """
    opacity = np.full(256, OPACITY, np.uint8)
    opacity[[255, *(k for k, name in enumerate(class_names) if name == CLEAR)]] = 0
    picture = palette_image(np.asarray(labels, np.uint8), tuple(class_names))
    picture.thumbnail((longest, longest), Image.Resampling.NEAREST)
    return _uri(picture, "png", transparency=opacity.tobytes(), optimize=True)


def _uri(picture, kind: str, **options) -> str:
    stream = io.BytesIO()
    picture.save(stream, format=kind, **options)
    return f"data:image/{kind};base64," + base64.b64encode(stream.getvalue()).decode("ascii")


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


def _shown(fields: dict) -> list[int]:
    """The detections that are drawn, the surest last."""
    scores = fields.get("scores", np.ones(len(fields["labels"])))
    order = np.argsort(scores, kind="stable")
    return [i for i in order if fields["labels"][i] >= 0 and scores[i] >= SCORE_THRESHOLD]


def _boxes(fields: dict, class_names: list[str], unit: float) -> str:
    parts = []
    for index in _shown(fields):
        label = int(fields["labels"][index])
        words = class_names[label]
        words += f" {fields['scores'][index]:.2f}" if "scores" in fields else ""
        parts.append(_box(fields["boxes"][index], words, label, unit))
        points = fields["keypoints"][index] if "keypoints" in fields else ()
        parts += [
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 * unit:.1f}" '
            f'fill="{colour_of(label)}"/>'
            for x, y, score in points
            if score > LEAST_KEYPOINT_SCORE
        ]
    return "".join(parts)


def instance_map(fields: dict, size: tuple[int, int]) -> np.ndarray:
    """Return masks, run lengths, as one map (H, W): the number of a detection, 255 for none."""
    numbers = np.full(size, 255, np.uint8)
    for index in _shown(fields):
        mask = run_lengths.decode([run_lengths.compressed(fields["masks"][index])], size)[0]
        numbers[mask > 0] = index % 255
    return numbers


def _map_image(labels: np.ndarray, class_names: tuple[str, ...]) -> str:
    height, width = labels.shape
    return (
        f'<image class="labels" href="{label_map_uri(labels, class_names)}" width="{width}" '
        f'height="{height}" preserveAspectRatio="none"/>'
    )


def _layer(key: str, fields: dict, class_names: list[str], size: tuple[int, int]) -> str:
    height, width = size
    if "segmentation" in fields:
        drawn = _map_image(fields["segmentation"], class_names)
    else:
        masks = "masks" in fields and len(fields["masks"])
        drawn = _map_image(instance_map(fields, size), ()) if masks else ""
        drawn += _boxes(fields, class_names, unit=max(height, width) / 340)
    return f'<g class="layer" data-layer="{escape(key, quote=True)}">{drawn}</g>'


def legend(items: list[dict], class_names: list[str]) -> str:
    """Return the names of the classes of all label maps with their colours; boxes have theirs."""
    layers = [fields for item in items for fields in item["layers"].values()]
    maps = [np.unique(fields["segmentation"]) for fields in layers if "segmentation" in fields]
    seen = np.unique(np.concatenate([np.zeros(0, int), *maps]))
    colours = class_colours(tuple(class_names))
    return "".join(
        f'<li><span class="key" style="background:rgb{tuple(colours[k].tolist())}"></span>'
        f"{escape(class_names[k])}</li>"
        for k in seen
        if k < len(class_names) and class_names[k] != CLEAR
    )


def gallery(items: list[dict], layers: list[tuple[str, str]], class_names: list[str]) -> str:
    """Return the pictures and the buttons that choose whose result is drawn over them.

    Args:
        items: dicts `{"image": (H, W, 3) uint8, "layers": {key: fields}}`; the fields of a result
            are `{"boxes", "labels"[, "scores", "masks", "keypoints"]}` with run lengths for masks,
            or `{"segmentation"}`, in pixels of the image.
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
        drawn = "".join(
            _layer(key, item["layers"][key], class_names, (height, width))
            for key, _ in layers
            if key in item["layers"]
        )
        figures.append(
            f'<figure><img alt="" src="{jpeg_uri(item["image"])}" width="{width}" '
            f'height="{height}"><svg viewBox="0 0 {width} {height}" aria-hidden="true">'
            f"{drawn}</svg></figure>"
        )
    names = legend(items, class_names)
    names = f'<ul class="legend" aria-label="Classes">{names}</ul>' if names else ""
    return (
        f'<div class="chips">{buttons}</div>{names}<div class="pictures">{"".join(figures)}</div>'
    )


def layer_names(document: dict) -> dict[str, str]:
    """Return the words for each artefact's key, without its number of threads."""
    several = len({row["model"] for row in document["rows"]}) > 1
    names = {}
    for row in document["rows"]:
        key = f"{row['model']}-{row['target']}-{row['precision']}"
        words = f"{text.TARGET_NAMES.get(row['target'], row['target'])} {row['precision']}"
        names[key] = f"{row['model']} · {words}" if several else words
    return names
