"""Does the memory of an evaluation grow with the number of images? Passing over them must not.

Evaluates a small SSD on shapes drawn on the fly, in a process of its own for each number of images,
and compares the peaks of resident memory after all images have passed. Computing the numbers at
the end needs memory for every detection, which is printed too: the network has random weights and
keeps 200 detections of each image, so this is the most it can be.

    python benchmarks/evaluation_memory.py [--images 500 2000] [--output memory.json]

Exit status: 0 if the peak of the pass over many images is below 1.1 times that over few, else 1.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 1.1
WARM_IMAGES = 64


def resident_mib(field: str) -> float:
    """Resident memory of this process in MiB: VmRSS now, VmHWM at its peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no field {field}: this benchmark needs Linux.")


def evaluate_once(count: int) -> dict:
    """Evaluate `count` images in this process and say what it took."""
    import keras_struct as ks

    data = ks.data.shapes(max(count, WARM_IMAGES), image_size=(120, 160))
    model = ks.models.SSD(
        "mobilenet_v1_025", len(data.class_names), 96, class_names=data.class_names
    )
    detector = ks.training.BatchPredictor(model)
    # graphs, pools and lazy imports are there for any number of images
    ks.training.evaluate(detector, data.subset(range(WARM_IMAGES)))
    start, detections = time.perf_counter(), 0
    metrics = ks.metrics.DetectionMetrics(data.class_names)
    found = ks.training.predictions(detector, data.subset(range(count)))
    for index, annotation, result in found:
        metrics.update(index, annotation, result)
        detections += len(result["labels"])
    passed = resident_mib("VmHWM")
    metrics.result()
    return {
        "images": count,
        "detections": detections,
        "pass_mib": passed,
        "peak_mib": resident_mib("VmHWM"),
        "seconds": time.perf_counter() - start,
    }


def measure(count: int) -> dict:
    """Evaluate in a fresh process."""
    command = [sys.executable, __file__, "--worker", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def of(runs: list[dict], field: str, count: int) -> float:
    """Median of a field over the runs with `count` images."""
    return statistics.median(run[field] for run in runs if run["images"] == count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs=2, default=[500, 2000], help="few and many")
    parser.add_argument("--output", type=Path, help="write the numbers to this JSON file")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        print(json.dumps(evaluate_once(options.worker)))
        return 0
    few, many = sorted(options.images)
    runs = [measure(count) for count in (few, many, many, few)]
    for run in runs:
        print(
            f"{run['images']:>6} images, {run['detections']} detections: "
            f"{run['pass_mib']:.0f} MiB after the pass, {run['peak_mib']:.0f} MiB after the "
            f"numbers, {run['seconds']:.0f} s"
        )
    ratio = of(runs, "pass_mib", many) / of(runs, "pass_mib", few)
    growth = of(runs, "peak_mib", many) - of(runs, "peak_mib", few)
    detections = of(runs, "detections", many) - of(runs, "detections", few)
    print(f"pass over {many} images to pass over {few}: {ratio:.3f} (limit {LIMIT})")
    print(f"numbers: {growth * 2**20 / detections:.0f} bytes for each detection")
    if options.output:
        document = {"python": platform.python_version(), "runs": runs, "ratio": ratio}
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(ratio >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
