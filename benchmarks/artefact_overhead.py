"""What does decoding inside the artefact cost? End to end against the network alone.

Exports an SSD with and without its decoder, runs both with the edge runtime in turns, and compares
the medians. Goal for LiteRT in float32: at most 1.10.

    python benchmarks/artefact_overhead.py                        # SSD-MobileNetV2-320, 20 classes
    python benchmarks/artefact_overhead.py --model=runs/cells/model.keras --pairs=litert/int8

About 2 minutes on 2 cores. Exit status: 0 the goal is met, 1 it is missed.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from live_detector import build

from keras_struct_edge import load
from keras_struct_export import Tolerance, export
from keras_struct_export.samples import synthetic_images
from keras_struct_export.targets import TARGETS

GOAL = 1.10
# Accuracy is the question of parity.py; random weights stand int8 badly.
ANY = Tolerance(box=np.inf, score=np.inf, agreement=0.0, dense=np.inf)
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
ROW = "{:16} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobilenet_v2", help=".keras file or backbone")
    parser.add_argument("--weights", help="of the backbone: a file, or imagenet")
    parser.add_argument("--image_size", type=int, default=320, help="pixels, for a backbone")
    parser.add_argument("--num_classes", type=int, default=20, help="for a backbone")
    parser.add_argument("--pairs", default="litert/float32,onnx/float32", help="target/precision")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument(
        "--clock", choices=sorted(CLOCKS), default="wall", help="cpu: on a busy machine, 1 thread"
    )
    parser.add_argument("--output", type=Path, help="write the rows to this JSON file")
    options = parser.parse_args()
    spec = {"height": options.image_size, "width": options.image_size, "channels": 3}
    model = build(
        options.model,
        options.image_size,
        options.num_classes,
        synthetic_images(8, spec),
        options.weights,
    )
    machine = f"{platform.machine()}, {options.threads} thread(s)"
    print(f"{machine}, medians of {options.runs}, in turns, {options.clock} time")
    print(ROW.format("", "whole ms", "network", "ratio", "of minima", "resize", "answer"))
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(model, pair, Path(folder), options) for pair in options.pairs.split(",")]
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
    return int(any(row["pair"] == "litert/float32" and row["ratio"] > GOAL for row in rows))


def measure(model, pair, folder, options):
    target, precision = pair.split("/")
    spec = model.card()["input"]
    images = synthetic_images(32, spec, seed=1)
    predictors = []
    for decoder in (True, False):
        path = folder / f"{target}_{precision}_{decoder}{TARGETS[target].suffix}"
        calibration = images if precision == "int8" else None
        export(
            model,
            path,
            target,
            precision,
            calibration,
            samples=images,
            decoder=decoder,
            tolerance=ANY,
            progress=None,
        )
        predictors.append(load(path, threads=options.threads))
    whole, network = predictors
    photo = images[0].repeat(2, 0).repeat(2, 1)[: spec["height"] * 3 // 2].astype("uint8")
    results = whole.run(images[:1])
    calls = {
        "whole_ms": lambda: whole.run(images[:1]),
        "network_ms": lambda: network.run(images[:1]),
        "resize_ms": lambda: whole.preprocess(photo),
        "answer_ms": lambda: whole.postprocess(results, photo.shape[:2]),
    }
    times = interleaved(calls, options.runs, CLOCKS[options.clock])
    row = {"pair": pair, "threads": options.threads, "runs": options.runs}
    row |= {name: statistics.median(values) for name, values in times.items()}
    row["ratio"] = row["whole_ms"] / row["network_ms"]
    row["ratio_of_minima"] = min(times["whole_ms"]) / min(times["network_ms"])
    if "num_detections" in results:
        row["detections"] = int(results["num_detections"][0])
    shown = [row[k] for k in ("whole_ms", "network_ms", "ratio", "ratio_of_minima")]
    shown += [row["resize_ms"], row["answer_ms"]]
    print(ROW.format(pair, *(f"{value:.3f}" for value in shown)), flush=True)
    return row


def interleaved(calls, runs, clock=time.perf_counter, warmup=5):
    """Time each call in turn, so that whatever slows the machine slows all of them.

    Returns:
        {name: list of milliseconds}.
    """
    times = {name: [] for name in calls}
    for run in range(runs + warmup):
        for name in np.random.default_rng(run).permutation(list(calls)):
            start = clock()
            calls[name]()
            if run >= warmup:
                times[name].append(1e3 * (clock() - start))
    return times


if __name__ == "__main__":
    raise SystemExit(main())
