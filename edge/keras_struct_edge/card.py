"""The card: what an artefact says about itself, as one JSON object inside the file."""

import json
from pathlib import Path

CARD_KEY = "keras_struct_card"
CARD_VERSION = 1
RESIZES = ("stretch", "letterbox")


class ArtefactError(ValueError):
    """A file that cannot be run: damaged, not ours, or made for another version."""


def _count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _text(value):
    return isinstance(value, str) and bool(value)


def _texts(value):
    return isinstance(value, list) and all(_text(item) for item in value)


def _range(value):
    numbers = isinstance(value, list) and len(value) == 2
    return numbers and [float(v) if isinstance(v, int | float) else v for v in value] == [0, 255]


def _pairs(value):
    return isinstance(value, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(end) is int and end >= 0 for end in pair)
        for pair in value
    )


# field -> (check, rule in words); the input's own fields follow in _INPUT_FIELDS
_FIELDS = {
    "task": (_text, "a word such as 'detection'"),
    "class_names": (_texts, "a list of names"),
    "input": (lambda value: isinstance(value, dict), "an object"),
    "results": (lambda value: _texts(value) and len(value) > 0, "a list of result names"),
    "batch_size": (lambda value: value is None or _count(value), "a positive integer or null"),
}
_OPTIONAL_FIELDS = {
    "keypoint_names": (_texts, "a list of names"),
    "skeleton": (_pairs, "a list of pairs of keypoints, numbers from 0"),
}
_INPUT_FIELDS = {
    "name": (_text, "a name"),
    "height": (_count, "a positive integer"),
    "width": (_count, "a positive integer"),
    "channels": (lambda value: value == 3, "3"),
    "layout": (lambda value: value == "NHWC", "'NHWC'"),
    "dtype": (lambda value: value == "float32", "'float32'"),
    "range": (_range, "[0, 255]"),
    "resize": (lambda value: value in RESIZES, f"one of {RESIZES}"),
    "pad_value": (lambda value: isinstance(value, int) and 0 <= value <= 255, "0 to 255"),
}


def parse_card(text: bytes | str | None, path: Path | str) -> dict:
    """Read and check the card of the artefact at `path`.

    Args:
        text: the card as found in the file (UTF-8 JSON), or None where there is none.
        path: the artefact, named in every error.

    Returns:
        The card as a dict; fields this version does not know are kept.

    Raises:
        ArtefactError: if there is no card, or one that this version cannot follow.
    """
    if text is None:
        raise ArtefactError(
            f"{path} carries no keras_struct card, so its classes and input are unknown. "
            "Write the file with keras_struct_export.export(model, path)."
        )
    try:
        card = json.loads(text)
    except ValueError as error:
        raise ArtefactError(
            f"The card of {path} is damaged ({error}). Export or copy the file again."
        ) from None
    if not isinstance(card, dict) or card.get("format") != "keras_struct":
        raise ArtefactError(
            f"The card of {path} is not a keras_struct card ('format' must be 'keras_struct'). "
            "Write the file with keras_struct_export.export(model, path)."
        )
    _check_version(card.get("card_version"), path)
    optional = {k: rule for k, rule in _OPTIONAL_FIELDS.items() if card.get(k) is not None}
    _check_fields(card, {**_FIELDS, **optional}, "", path)
    _check_fields(card["input"], _INPUT_FIELDS, "input.", path)
    return card


def _check_version(version, path):
    if not _count(version):
        raise ArtefactError(
            f"The card of {path} is not usable: `card_version` must be a positive integer. "
            f"Received: card_version={version!r}. Export the model again."
        )
    if version > CARD_VERSION:
        raise ArtefactError(
            f"{path} has card version {version}, this keras_struct_edge reads up to "
            f"{CARD_VERSION}. Update it with `pip install --upgrade keras-struct-edge`."
        )


def _check_fields(fields, rules, prefix, path):
    problems = []
    for name, (check, rule) in rules.items():
        if name not in fields:
            problems.append(f"`{prefix}{name}` is missing, it must be {rule}")
        elif not check(fields[name]):
            problems.append(f"`{prefix}{name}` must be {rule}, received {fields[name]!r}")
    if problems:
        raise ArtefactError(
            f"The card of {path} is not usable: {'; '.join(problems)}. Export the model again."
        )
