"""What an export tells a human while it works."""

import contextlib
import time
from collections.abc import Callable, Iterator


class Progress:
    """Says each step once it is done, with its seconds.

    Args:
        say: called with one line of text, or None for silence.
    """

    def __init__(self, say: Callable[[str], None] | None):
        self._say = say
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the export began."""
        return time.perf_counter() - self._start

    def note(self, text: str) -> None:
        """Say one line."""
        if self._say is not None:
            self._say(text)

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Time a step and say it at its end; a step that fails says nothing."""
        start = time.perf_counter()
        yield
        self.note(f"{text}: {time.perf_counter() - start:.1f} s")
