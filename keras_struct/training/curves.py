"""The course of a training as a picture and as a table."""

import csv
from collections.abc import Sequence
from pathlib import Path

from keras_struct.training.files import replacing
from keras_struct.training.tasks import TASKS

_VALIDATION = tuple(f"val_{name}" for task in TASKS.values() for name in task.every_shown)
_PANELS = {
    "loss": lambda name: name == "loss" or name.endswith("_loss"),
    "validation": lambda name: name in _VALIDATION,
    "learning rate": lambda name: name == "learning_rate",
}


def save_curves(history: Sequence[dict], path: str | Path) -> None:
    """Write a PNG with losses, validation numbers and learning rate over the epochs.

    Args:
        history: one dict an epoch: "epoch" (from 0) and any numbers; a number may be missing in
            some epochs.
        path: the PNG.
    """
    from matplotlib.figure import Figure  # no pyplot: no window system, nothing kept alive

    figure = Figure(figsize=(14, 4), layout="constrained")
    names = _names(history)
    for axes, (title, shows) in zip(figure.subplots(1, len(_PANELS)), _PANELS.items(), strict=True):
        for name in filter(shows, names):
            points = [(row["epoch"] + 1, row[name]) for row in history if name in row]
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
            axes.legend()
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def save_history(history: Sequence[dict], path: str | Path) -> None:
    """Write the history as CSV: a row an epoch, an empty cell where an epoch lacks a number."""
    names = _names(history)
    with replacing(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(history)


def _names(history: Sequence[dict]) -> list[str]:
    return list(dict.fromkeys(name for row in history for name in row))
