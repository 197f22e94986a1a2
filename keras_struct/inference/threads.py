"""Work shared out to threads, for functions that let go of Python's lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def available_threads() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def cut(length: int, parts: int) -> np.ndarray:
    """(parts + 1,) int64 bounds of parts of about equal length, none of them empty."""
    return np.linspace(0, length, min(parts, length) + 1).astype("int64")


class Team:
    """Some threads, the calling one among them, that do pieces of work.

    They wait without spinning, so that a core another program uses is not lost twice.

    Args:
        threads: int, at least 1.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *error) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def share(self, work: Callable[[int], None], count: int) -> None:
        """Call `work` with 0 .. count - 1; each thread takes the next number when it is free."""
        numbers = iter(range(count))

        def take():
            for number in numbers:
                work(number)

        helpers = min(self.threads, count) - 1
        busy = [self._pool.submit(take) for _ in range(helpers)]
        take()
        for helper in busy:
            helper.result()
