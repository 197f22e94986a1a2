"""The command line: run an artefact on images, a folder, a video or a camera."""

import argparse
import sys
from pathlib import Path

from . import __version__
from .commands import UsageError, run

_DESCRIPTION = """\
Find objects, or the class of every pixel, with a model file written by keras_struct_export.

The file carries its class names and input size: nothing else is needed. Boxes are printed
as x1 y1 x2 y2 in pixels of the image, label maps as the share and pixels of each class."""

_EXAMPLES = """\
examples:
  one image, results on the screen
    python -m keras_struct_edge cells.tflite photo.jpg
  one image, drawn; only what the model is quite sure of
    python -m keras_struct_edge cells.tflite photo.jpg --output drawn.png --min-score 0.6
  a folder: every image drawn into drawn/, all boxes in one file
    python -m keras_struct_edge cells.tflite photos/ --output drawn/ --json boxes.json
  a label map: laid over the photo, and as a PNG whose pixels are the labels
    python -m keras_struct_edge road.tflite photo.jpg --output drawn.png --labels labels.png
  a video, and ten seconds of a camera (pip install 'keras-struct-edge[camera]')
    python -m keras_struct_edge cells.tflite film.mp4 --output drawn.mp4
    python -m keras_struct_edge cells.tflite camera:0 --output drawn.mp4 --frames 300
  how fast is it here, with two threads?
    python -m keras_struct_edge cells.tflite photo.jpg --threads 2 --benchmark 100

exit status: 0 all went well, 1 something failed, 2 the command is wrong."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        return run(arguments)
    except UsageError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("error: stopped", file=sys.stderr)
    except (OSError, ValueError, TypeError, ImportError, RuntimeError, MemoryError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 1


def build_parser() -> argparse.ArgumentParser:
    """The options, with a help text to learn from."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_struct_edge",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", type=Path, help="a .tflite, .onnx or .engine file")
    add("sources", nargs="+", metavar="source", help="images, folders, a video or camera:0")
    add("--output", type=Path, metavar="PATH", help="drawn image, folder (many images) or video")
    add("--labels", type=Path, metavar="PATH", help="label map as .png, or folder (many images)")
    add("--json", type=Path, metavar="FILE", help="write all that is found to this JSON file")
    add(
        "--min-score",
        type=_score,
        metavar="SCORE",
        help="leave out what is less sure, 0 to 1 (default: 0.3 for boxes, 0 for label maps)",
    )
    add("--classes", metavar="A,B", help="keep these classes only, by name")
    add("--threads", type=_count, metavar="N", help="CPU threads (default: up to 4 cores)")
    add("--frames", type=_count, metavar="N", help="stop a video or camera after N frames")
    add("--benchmark", type=_count, metavar="RUNS", help="time RUNS calls on the first image")
    add("--version", action="version", version=f"keras-struct-edge {__version__}")
    return parser


def _score(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, received {text}")
    return value


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, received {text}")
    return int(text)
