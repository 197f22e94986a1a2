"""Conversion without the chatter of the libraries that do it."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

_LOGGERS = ("absl", "tensorflow", "tf2onnx", "onnxruntime", "root", "ai_edge_quantizer")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence loggers, warnings and what C++ code writes to the console, while inside."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), _redirected(1), _redirected(2):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _redirected(descriptor: int) -> Iterator[None]:
    # C++ libraries write to the descriptor itself, past sys.stdout and sys.stderr.
    stream = (sys.stdout, sys.stderr)[descriptor - 1]
    stream.flush()
    saved = os.dup(descriptor)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), descriptor)
        try:
            yield
        finally:
            stream.flush()
            os.dup2(saved, descriptor)
            os.close(saved)
