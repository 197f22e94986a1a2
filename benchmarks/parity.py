"""Does every artefact find what Keras finds? Compared on real images, 100 by default.

    python benchmarks/parity.py --images=photos/ --model=runs/cells/model.keras
    python benchmarks/parity.py --images=photos/ --model=mobilenet_v2 --pairs=litert/float32

The detections of an image are compared as a set: the fraction that agrees within the tolerance of
the precision, the largest difference of a box edge (pixels of the network's input) and of a score
among those, and among all pairs that are plainly the same object; of masks, the smallest IoU of
two that agree. Of label maps it is the fraction of pixels. Engines do not run without a GPU: their
row says so, and the ONNX graph they are built from has its own.

Judge float16 and int8 with a trained `.keras` model only: a random head amplifies rounding. With
`--model=mobilenet_v2`, rounding the kernels to float16 in Keras itself moves its outputs by 3-5 %.

About 3 minutes on 2 cores. Exit status: 1 if a float32 artefact differs.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from artefact_overhead import ANY
from live_detector import build
from PIL import Image

from keras_struct_edge import load
from keras_struct_edge.preprocessing import preprocess
from keras_struct_export import ExportError, compare, export
from keras_struct_export.samples import synthetic_images
from keras_struct_export.targets import PAIRS, TARGETS, tolerance_of
from keras_struct_export.verify import run_artefact, run_model, score_threshold

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
ROW = "{:18} {:>8} {:>6} {:>6} {:>9} {:>10} {:>10} {:>10} {:>11} {:>9}"
CALIBRATION = 100
FOUND = {"labels": "detections", "segmentation": "pixels"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder, searched through; none: drawn")
    parser.add_argument("--model", default="mobilenet_v2", help=".keras file or backbone")
    parser.add_argument("--weights", help="of the backbone: a file, or imagenet")
    parser.add_argument("--image_size", type=int, default=320, help="pixels, for a backbone")
    parser.add_argument("--num_classes", type=int, default=20, help="for a backbone")
    parser.add_argument("--count", type=int, default=100, help="images compared")
    parser.add_argument("--pairs", default=",".join(f"{t}/{p}" for t, p in PAIRS))
    parser.add_argument("--output", type=Path, help="write the rows to this JSON file")
    options = parser.parse_args()
    size = options.image_size
    spec = {"height": size, "width": size, "resize": "stretch", "pad_value": 114}
    first = None if options.model.endswith(".keras") else read_images(options.images, 8, spec)
    model = build(options.model, size, options.num_classes, first, options.weights)
    images = read_images(options.images, options.count, model.card()["input"])
    network = model.with_decoder()
    reference = run_model(network, images)
    found = [f"{(reference[k] >= 0).sum()} {what}" for k, what in FOUND.items() if k in reference]
    print(f"{len(images)} images, {', '.join(found)} by Keras")
    print(
        ROW.format(
            "", "agree", "miss", "extra", "px", "score", "worst px", "worst", "MB", "mask IoU"
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(model, network, pair, Path(folder), images, reference)
            for pair in options.pairs.split(",")
        ]
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
    return int(any(row["pair"].endswith("float32") and not row["within"] for row in rows))


def read_images(folder, count, spec):
    if folder is None:
        return synthetic_images(count, {**spec, "channels": 3})
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if len(files) < count:
        raise SystemExit(f"`--images` must hold {count} images. Received: {len(files)}.")
    picked = [files[i] for i in np.linspace(0, len(files) - 1, count).astype(int)]
    return np.concatenate(
        [preprocess(np.asarray(Image.open(file).convert("RGB")), spec) for file in picked]
    )


def measure(model, network, pair, folder, images, reference):
    target, precision = pair.split("/")
    path = folder / f"{target}_{precision}{TARGETS[target].suffix}"
    calibration = images[:CALIBRATION] if precision == "int8" else None
    row = {"pair": pair, "images": len(images), "within": False}
    try:
        export(
            model,
            path,
            target,
            precision,
            calibration,
            samples=images,
            tolerance=ANY,
            progress=None,
        )
        if target == "tensorrt":
            row |= {"within": True, "note": "built, not run: see the ONNX row"}
            print(f"{pair:18} {row['note']}", flush=True)
            return row
        results = run_artefact(load(path), images)
    except ExportError as error:
        print(f"{pair:18} {error}", flush=True)
        return {**row, "note": str(error)}
    tolerance = tolerance_of(precision, model.card()["task"])
    same = compare(reference, results, tolerance, score_threshold(network))
    row |= {**vars(same), "agreement": same.agreement, "within": same.within(tolerance)}
    row["mb"] = path.stat().st_size / 1e6
    numbers = (same.box_error, same.score_error, same.worst_box_error, same.worst_score_error)
    shown = [f"{value:.2g}" for value in numbers]
    counts = (f"{same.agreement:.4f}", same.missing, same.extra)
    masks = "-" if same.mask_iou is None else f"{same.mask_iou:.4f}"
    print(ROW.format(pair, *counts, *shown, f"{row['mb']:.2f}", masks), flush=True)
    return row


if __name__ == "__main__":
    raise SystemExit(main())
