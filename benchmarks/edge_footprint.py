"""What does a device pay for keras_struct_edge? Disk, packages, import time, time to a result.

Builds a fresh virtual environment with nothing but the edge wheel (from edge/ of this checkout)
and measures there. The limit is numpy: importing keras_struct_edge should cost little more.

    python benchmarks/edge_footprint.py [model.tflite] [--output footprint.json]

Exit status: 0 measured, 1 the installation failed or a framework came with the wheel.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

EDGE = Path(__file__).resolve().parents[1] / "edge"
TOY = EDGE.parent / "tests/edge/golden/toy_1.tflite"
FRAMEWORKS = {"tensorflow", "tensorflow-cpu", "keras", "jax", "torch"}
INSTALLER = {"pip", "setuptools", "wheel"}

IMPORT = """
import sys, time; start = time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - start)
"""
FIRST_RESULT = """
import sys, time; start = time.perf_counter()
import numpy, keras_struct_edge
predictor = keras_struct_edge.load(sys.argv[1])
predictor(numpy.zeros((480, 640, 3), numpy.uint8))
print(time.perf_counter() - start)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=TOY, help="a .tflite file of ours")
    parser.add_argument("--runs", type=int, default=7, help="fresh processes for each time")
    parser.add_argument("--output", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            numbers = measure(Path(folder), options)
        except subprocess.CalledProcessError as error:
            print(f"error: {error.stderr or error}", file=sys.stderr)
            return 1
    for name, value in numbers.items():
        print(f"{name:26s} {value}")
    if options.output:
        part = options.output.with_name(f".{options.output.name}.part")
        part.write_text(json.dumps(numbers, indent=1) + "\n")
        os.replace(part, options.output)
    frameworks = FRAMEWORKS & set(numbers["packages"])
    if frameworks:
        print(f"error: the edge wheel brought {sorted(frameworks)}", file=sys.stderr)
    return 1 if frameworks else 0


def measure(folder, options):
    python = make_environment(folder)
    listing = run(python, "-m", "pip", "list", "--format=json")
    packages = {row["name"].lower(): row["version"] for row in json.loads(listing)}
    packages = {name: version for name, version in packages.items() if name not in INSTALLER}
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    numpy = seconds(python, IMPORT, "numpy", options.runs)
    imports = seconds(python, IMPORT, "keras_struct_edge", options.runs)
    results = seconds(python, FIRST_RESULT, str(options.model.resolve()), options.runs)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "model": options.model.name,
        "processes": options.runs,
        "packages": packages,
        "installed_mb": round(size(site, without=INSTALLER) / 1e6, 1),
        "keras_struct_edge_kb": round(size(site / "keras_struct_edge") / 1e3, 1),
        "import_numpy_s_median": round(statistics.median(numpy), 4),
        "import_s_median": round(statistics.median(imports), 4),
        "import_s_worst": round(max(imports), 4),
        "first_result_s_median": round(statistics.median(results), 4),
        "first_result_s_worst": round(max(results), 4),
    }


def make_environment(folder):
    """A virtual environment with only the edge wheel; returns its Python."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    # from a copy, as building leaves build/ behind
    source = shutil.copytree(EDGE, folder / "edge", ignore=shutil.ignore_patterns("build"))
    run(python, "-m", "pip", "install", "--quiet", str(source))
    return python


def seconds(python, code, argument, runs):
    """What `code` prints in each of several fresh processes."""
    return [float(run(python, "-c", code, argument)) for _ in range(runs)]


def run(python, *arguments):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(python), *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout


def size(folder, without=()):
    """Bytes of all files, leaving out compiled copies and the packages in `without`."""
    skip = {"__pycache__", *without}
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not skip & set(path.relative_to(folder).parts)
    )


if __name__ == "__main__":
    sys.exit(main())
