"""Is our int8 SSD as fast as the official one? SSD-MobileNetV1-300, 90 classes, LiteRT, 1 thread.

The peer is the TF Lite starter model coco_ssd_mobilenet_v1_1.0_quant (detect.tflite), which has
suppression inside as one custom kernel. Ours is exported here in float32 and int8, in the same
runtime, run in turns. Goal: int8 at most 1.2 times the peer.

    python benchmarks/ssd_vs_official.py --peer=detect.tflite

About 2 minutes on 2 cores. Exit status: 0 the goal is met, 1 it is missed.
"""

import argparse
import json
import platform
import statistics
import tempfile
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from artefact_overhead import ANY, CLOCKS, interleaved
from live_detector import build

from keras_struct_export import export
from keras_struct_export.samples import synthetic_images

GOAL = 1.2
SPEC = {"height": 300, "width": 300, "channels": 3}
ROW = "{:24} {:>9} {:>9} {:>9} {:>9}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, help="the official .tflite file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument(
        "--clock", choices=sorted(CLOCKS), default="wall", help="cpu: on a busy machine, 1 thread"
    )
    parser.add_argument("--output", type=Path, help="write the rows to this JSON file")
    options = parser.parse_args()
    if options.peer is None:
        print("Nothing measured: give the official file as --peer=detect.tflite.")
        return 0
    images = synthetic_images(32, SPEC, seed=1)
    model = build("mobilenet_v1", 300, 90, images[:8])
    with tempfile.TemporaryDirectory() as folder:
        files = {"official int8": options.peer}
        for precision in ("float32", "int8"):
            for decoder in (True, False):
                name = f"ours {precision}" + ("" if decoder else ", network")
                files[name] = Path(folder) / f"{len(files)}.tflite"
                calibration = images if precision == "int8" else None
                export(
                    model,
                    files[name],
                    "litert",
                    precision,
                    calibration,
                    samples=images,
                    decoder=decoder,
                    tolerance=ANY,
                    progress=None,
                )
        calls = {name: prepare(file, options.threads) for name, file in files.items()}
        times = interleaved(calls, options.runs, CLOCKS[options.clock])
        sizes = {name: file.stat().st_size / 1e6 for name, file in files.items()}
    machine = f"{platform.machine()}, {options.threads} thread(s)"
    print(f"{machine}, {options.runs} runs, in turns, {options.clock} time")
    print(ROW.format("", "median ms", "min ms", "ratio", "MB"))
    base, rows = statistics.median(times["official int8"]), {}
    for name, values in times.items():
        median = statistics.median(values)
        rows[name] = {"median_ms": median, "min_ms": min(values), "ratio": median / base}
        shown = (f"{number:.3f}" for number in (*rows[name].values(), sizes[name]))
        print(ROW.format(name, *shown))
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
    return int(rows["ours int8"]["ratio"] > GOAL)


def prepare(file, threads):
    """Return a call that runs the file once, on an image already in its input."""
    interpreter = Interpreter(str(file), num_threads=threads)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    image = synthetic_images(1, SPEC, seed=7)
    interpreter.set_tensor(entry["index"], np.asarray(image, entry["dtype"]))
    return interpreter.invoke


if __name__ == "__main__":
    raise SystemExit(main())
