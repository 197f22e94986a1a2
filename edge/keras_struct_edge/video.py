"""Frames of a video file or a camera, and an annotated video (opencv)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .files import atomic

# container -> codec that opencv's own wheel can write
CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


def is_camera(source: str) -> bool:
    """Whether `source` names a camera: "camera:0"."""
    return source.startswith("camera:")


class Video:
    """An opened video file or camera; iterate for (H, W, 3) uint8 RGB frames.

    Attributes:
        rate: frames each second (30 where the source does not say).
        length: number of frames, None where unknown.
    """

    def __init__(self, source: str):
        self._cv2 = _opencv(source)
        self._capture = self._cv2.VideoCapture(_device(source))
        if not self._capture.isOpened():
            kind = "camera" if is_camera(source) else "video"
            raise ValueError(
                f"The {kind} {source} cannot be opened. Check that it exists, that it plays in "
                "another program and that no other program holds it."
            )
        self.rate = self._capture.get(self._cv2.CAP_PROP_FPS) or 30.0
        count = int(self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT))
        self.length = count if count > 0 else None

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            there, frame = self._capture.read()
            if not there:
                return
            yield self._cv2.cvtColor(frame, self._cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()


@contextlib.contextmanager
def video_writer(path: Path, rate: float):
    """Give a function that appends one (H, W, 3) uint8 RGB frame to the video `path`."""
    cv2 = _opencv(str(path))
    with atomic(path) as temporary:
        writer = None

        def write(frame):
            nonlocal writer
            if writer is None:
                code = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
                writer = cv2.VideoWriter(str(temporary), code, rate, frame.shape[1::-1])
                if not writer.isOpened():
                    raise ValueError(f"opencv cannot write {path}. Use another name or folder.")
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

        try:
            yield write
        finally:
            if writer is not None:
                writer.release()


def _device(source):
    if not is_camera(source):
        return source
    number = source.partition(":")[2]
    if not number.isdecimal():
        raise ValueError(f"A camera must be written camera:NUMBER. Received: {source}.")
    return int(number)


def _opencv(source):
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"{source} needs opencv ({error}). "
            "Install it with `pip install 'keras-struct-edge[camera]'`."
        ) from None
    return cv2
