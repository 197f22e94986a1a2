"""One file for each runtime, all behind one interface."""

import os
from typing import Protocol

import numpy as np


class Runtime(Protocol):
    """An opened artefact.

    Attributes:
        card: the checked card.
        inputs: input name -> shape, None where a size is free.
        outputs: names of the results.
    """

    card: dict
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network on a contiguous (B, H, W, 3) float32 batch."""


def default_threads() -> int:
    """Up to four of the cores this process may use: more rarely help a single image."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(4, count or 1)


def one_line(error: Exception) -> str:
    """A runtime's message, fit to stand inside ours."""
    return " ".join(str(error).split()) or type(error).__name__
