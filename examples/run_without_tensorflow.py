"""What runs on a device: numpy, Pillow and one small wheel, `keras-struct-edge`.

    python examples/run_without_tensorflow.py cells.tflite photo.jpg --output=found.png

Prints what is in each picture and writes them side by side with the boxes drawn.
"""

import argparse
import math
import sys
import time

import numpy as np
from PIL import Image

from keras_struct_edge import load

GAP = 8


def side_by_side(pictures: list[np.ndarray]) -> Image.Image:
    """Lay pictures of any size out on a grid."""
    columns = math.ceil(math.sqrt(len(pictures)))
    height = max(picture.shape[0] for picture in pictures) + GAP
    width = max(picture.shape[1] for picture in pictures) + GAP
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), (24, 27, 31))
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(Image.fromarray(picture), (GAP + column * width, GAP + row * height))
    return sheet


def main() -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artefact", help=".tflite, .onnx or .engine file")
    parser.add_argument("images", nargs="+", help="pictures")
    parser.add_argument("--output", default="found.png", help="picture to write")
    parser.add_argument("--min-score", type=float, default=0.4, help="least score to show")
    options = parser.parse_args()

    predictor = load(options.artefact)
    drawn = []
    for file in options.images:
        image = np.asarray(Image.open(file).convert("RGB"))
        start = time.perf_counter()
        detections = predictor(image)
        milliseconds = 1e3 * (time.perf_counter() - start)
        detections = detections.filter(min_score=options.min_score)
        print(f"{file}: {', '.join(detections.names) or 'nothing'} ({milliseconds:.1f} ms)")
        drawn.append(detections.draw(image))
    side_by_side(drawn).save(options.output)
    print(f"{options.output} written; TensorFlow loaded: {'tensorflow' in sys.modules}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
