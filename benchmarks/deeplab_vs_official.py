"""Is our DeepLab as fast as the official one? MobileNetV2, 21 classes, LiteRT, 1 thread.

Peers are the TF Lite starter models. deeplabv3_257_mv_gpu is float32, of half width at stride 8,
and gives class scores: finding the best class is left to the caller. deeplabv3_mnv2_pascal_quant is
uint8, at 513 pixels and stride 16, and gives labels, as ours do. Ours have the same backbone, head
and input size, are exported here and run in turns with them. "network" is without decoder, the
others give the label map at full size, with the fully connected CRF where it is named.

    python benchmarks/deeplab_vs_official.py --peers=models/
    python benchmarks/deeplab_vs_official.py --peers=models/ --crf=grid,local --crf_runs=5

Goal: at most 1.2 times the peer of the same precision. About 2 minutes on 2 cores without CRF.
Exit status: 0 the goal is met, 1 it is missed.
"""

import argparse
import json
import platform
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from artefact_overhead import ANY, CLOCKS, interleaved

import keras_struct as ks
from keras_struct_export import export
from keras_struct_export.samples import synthetic_images

GOAL = 1.2
ROW = "{:28} {:>10} {:>9} {:>9} {:>9}"


@dataclass(frozen=True)
class Peer:
    """An official file, and the model of ours that it is to be compared with."""

    file: str
    size: int
    backbone: str
    output_stride: int
    precision: str


PEERS = (
    Peer("deeplabv3_257_mv_gpu.tflite", 257, "mobilenet_v2_050", 8, "float32"),
    Peer("deeplabv3_mnv2_pascal_quant.tflite", 513, "mobilenet_v2", 16, "int8"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="folder with the official .tflite files")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--crf", default="", help="filters of DenseCRF, such as grid,local")
    parser.add_argument("--crf_iterations", type=int, default=5)
    parser.add_argument("--crf_runs", type=int, default=3, help="runs of the files with a CRF")
    parser.add_argument(
        "--clock", choices=sorted(CLOCKS), default="wall", help="cpu: on a busy machine, 1 thread"
    )
    parser.add_argument("--output", type=Path, help="write the rows to this JSON file")
    options = parser.parse_args()
    if options.peers is None:
        print("Nothing measured: give the folder of the official files as --peers=FOLDER.")
        return 0
    machine = f"{platform.machine()}, {options.threads} thread(s)"
    print(f"{machine}, {options.runs} runs, in turns, {options.clock} time")
    print(ROW.format("", "median ms", "min ms", "ratio", "MB"))
    rows = {}
    for peer in PEERS:
        with tempfile.TemporaryDirectory() as folder:
            rows[peer.file] = measure(peer, Path(folder), options)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
    missed = [p for p in PEERS if rows[p.file][f"ours {p.precision}"]["ratio"] > GOAL]
    return int(bool(missed))


def measure(peer, folder, options):
    files = {"official " + peer.precision: options.peers / peer.file}
    for precision in ("float32", "int8"):
        for decoder in (True, False):
            name = f"ours {precision}" + ("" if decoder else ", network")
            files[name] = write(build(peer), peer, folder, precision, decoder)
    refined = {}
    for kind in filter(None, options.crf.split(",")):
        crf = ks.layers.DenseCRF(filter=kind, iterations=options.crf_iterations)
        for precision in ("float32", "int8"):
            name = f"ours {precision}, crf {kind}"
            refined[name] = write(build(peer, crf), peer, folder, precision, True)
    clock = CLOCKS[options.clock]
    times = interleaved(calls(files, peer, options.threads), options.runs, clock)
    times |= interleaved(calls(refined, peer, options.threads), options.crf_runs, clock, warmup=1)
    base, rows = statistics.median(next(iter(times.values()))), {}
    print(f"{peer.file}, {peer.size} x {peer.size}")
    for name, values in times.items():
        median = statistics.median(values)
        megabytes = {**files, **refined}[name].stat().st_size / 1e6
        row = {"median_ms": median, "min_ms": min(values), "ratio": median / base, "mb": megabytes}
        print(ROW.format("  " + name, *(f"{number:.2f}" for number in row.values())), flush=True)
        rows[name] = row
    return rows


def build(peer, crf=None):
    keras.utils.set_random_seed(0)
    return ks.models.DeepLab(
        peer.backbone, 21, peer.size, output_stride=peer.output_stride, crf=crf
    )


def write(model, peer, folder, precision, decoder):
    path = folder / f"{len(list(folder.iterdir()))}.tflite"
    images = pictures(peer, 8)
    export(
        model,
        path,
        "litert",
        precision,
        images if precision == "int8" else None,
        samples=images[:1],
        decoder=decoder,
        tolerance=ANY,
        progress=None,
    )
    return path


def pictures(peer, count):
    return synthetic_images(count, {"height": peer.size, "width": peer.size, "channels": 3})


def calls(files, peer, threads):
    """Calls that run each file once, on an image already in its input."""
    found = {}
    for name, file in files.items():
        interpreter = Interpreter(str(file), num_threads=threads)
        interpreter.allocate_tensors()
        entry = interpreter.get_input_details()[0]
        interpreter.set_tensor(entry["index"], np.asarray(pictures(peer, 1), entry["dtype"]))
        found[name] = interpreter.invoke
    return found


if __name__ == "__main__":
    raise SystemExit(main())
