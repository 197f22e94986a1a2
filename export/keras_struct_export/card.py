"""The card: what an artefact says about itself."""

import importlib.metadata
import json

from keras_struct_edge.card import parse_card
from keras_struct_export.frozen import FrozenGraph

_PACKAGES = {
    "keras_struct": ("keras-struct",),
    "keras_struct_export": ("keras-struct-export",),
    "keras": ("keras",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}


def check_model(model) -> dict:
    """Return `model.card()` if the model follows the contract of this library.

    Raises:
        TypeError: if it has no `card`, or none that is a dict.
        ValueError: if the card lacks what an artefact must say.
    """
    if not callable(getattr(model, "card", None)):
        raise TypeError(
            "`model` must have a method card() that describes its input and results, as the "
            f"models of keras_struct have. Received: model={type(model).__name__}."
        )
    card = model.card()
    if not isinstance(card, dict):
        raise TypeError(f"`model.card()` must return a dict. Received: {type(card).__name__}.")
    parse_card(json.dumps({"batch_size": None, **card}), "`model.card()`")
    return card


def complete(card: dict, target: str, precision: str, batch_size: int | None) -> dict:
    """Add to the model's own card what the export knows."""
    return {
        **card,
        "batch_size": batch_size,
        "target": target,
        "precision": precision,
        "versions": _versions(),
    }


def raw(card: dict, graph: FrozenGraph) -> dict:
    """Turn a model's card into that of its network alone, whose results are raw outputs."""
    kept = {key: value for key, value in card.items() if key != "max_detections"}
    return {**kept, "task": "raw", "results": list(graph.outputs)}


def encode(card: dict) -> bytes:
    """Card as it is stored: UTF-8 JSON."""
    return json.dumps(card, ensure_ascii=False).encode("utf-8")


def _versions() -> dict[str, str]:
    found = {}
    for name, wheels in _PACKAGES.items():
        for wheel in wheels:
            try:
                found[name] = importlib.metadata.version(wheel)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found
