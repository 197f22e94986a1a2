"""Measure how far each Gaussian filter of the dense CRF is from the exact one, on real photos.

Mean field with the published parameters (bandwidths scaled with the width) on photos at two sizes,
from label maps that are 70 % sure and from noisy ones. Error: mean over pixels of sum |Q - Q*|,
where Q* comes from the brute-force filter. Agreement: pixels with the same best label. ms: one
application of the bilateral filter to all labels, compiled, and of the peer one iteration.

    python benchmarks/dense_crf_accuracy.py --peer_python=venv/bin/python

`--peer_python` names a Python with pydensecrf (PyPI: pydensecrf2), the reference implementation;
this one is tried if it is not given. About 3 minutes on one core, mostly for the exact filter at
the larger size.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops
from PIL import Image

from keras_struct.inference import label_logits, refine
from keras_struct.ops.gaussian_filters import (
    SpatialFilter,
    bilateral_filter,
    symmetric_normalization,
)

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "densecrf_examples"
SPATIAL, BILATERAL = (3.0, 3.0), (80.0, 13.0, 10.0)  # (sxy, weight), (sxy at 500, srgb, weight)
FILTERS = {
    "permutohedral": ("permutohedral", {}),
    "grid": ("grid", {}),
    "grid, 128, cell=0.5": ("grid", {"colours": 128, "cell": 0.5}),
    "local": ("local", {}),
    "local, radius=5": ("local", {"radius": 5}),
    "spatial kernel alone": (None, {}),
}
PEER = """
import sys, time, numpy as np
from pydensecrf import densecrf
data = np.load(sys.argv[1])
image, unary, iterations = data["image"], data["unary"], data["iterations"]
height, width, labels = unary.shape
crf = densecrf.DenseCRF2D(width, height, labels)
crf.setUnaryEnergy(np.ascontiguousarray(-unary.transpose(2, 0, 1).reshape(labels, -1)))
sxy, weight = data["spatial"].tolist()
crf.addPairwiseGaussian(sxy=sxy, compat=weight)
sxy, srgb, weight = data["bilateral"].tolist()
crf.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=np.ascontiguousarray(image), compat=weight)
start = time.perf_counter()
beliefs = [np.array(crf.inference(int(count))) for count in iterations]
seconds = (time.perf_counter() - start) / iterations.sum()
beliefs = np.stack(beliefs).reshape(-1, labels, height, width).transpose(0, 2, 3, 1)
np.savez(sys.argv[2], beliefs=beliefs, ms=1e3 * seconds)
"""


def photos(folder, size, kinds):
    """Images (H, W, 3) uint8 at a size, each with {(kind, annotation): logits (H, W, C)}."""
    for path in sorted(folder.glob("im*.png")):
        with Image.open(path) as file:
            image = np.asarray(file.convert("RGB").resize(size, Image.Resampling.BILINEAR))
        cases = {}
        for annotation in sorted(folder.glob(f"anno{path.stem[2:]}*.png")):
            labels = label_map(annotation, size)
            cases |= {(kind, annotation.stem): unaries(labels, kind) for kind in kinds}
        yield image, cases


def label_map(path, size):
    """Labels (H, W) of a picture whose colours are labels; -1, unknown, where it is black."""
    with Image.open(path) as file:
        colours = np.asarray(file.convert("RGB").resize(size, Image.Resampling.NEAREST))
    codes = colours.astype(int) @ [1 << 16, 1 << 8, 1]
    known = np.unique(codes[codes > 0])
    return np.where(codes > 0, np.searchsorted(known, codes), -1)


def unaries(labels, kind, seed=0):
    """Logits (H, W, C) of a label map; "noisy": each pixel is of a random label one time in three.

    Unknown pixels are a label of their own there, so that there is something to hear everywhere.
    """
    if kind == "labels":
        return label_logits(labels, labels.max() + 1)
    rng = np.random.default_rng(seed)
    labels = labels - labels.min()
    noise = rng.integers(0, labels.max() + 1, labels.shape)
    return label_logits(np.where(rng.random(labels.shape) < 1 / 3, noise, labels), labels.max() + 1)


def mean_field(smooth, cases, iterations):
    """{case: beliefs after each of some numbers of iterations}; `smooth` gives messages.

    Cases of one image go through the filter together: the exact one spends its time on the kernel.
    """
    logits = [tf.constant(each[None]) for each in cases.values()]
    borders = np.cumsum([each.shape[-1] for each in logits])[:-1].tolist()
    refined, found = logits, {case: [] for case in cases}
    for count in range(1, max(iterations) + 1):
        beliefs = ops.concatenate([ops.softmax(each) for each in refined], axis=-1)
        parts = ops.split(smooth(beliefs), borders, axis=-1)
        refined = [unary + part for unary, part in zip(logits, parts, strict=True)]
        if count in iterations:
            for case, each in zip(cases, refined, strict=True):
                found[case].append(ops.softmax(each)[0].numpy())
    return found


def messages(name, options, image, sxy):
    """What `mean_field` needs of a filter, compiled, and the part of it that is timed."""
    images = tf.constant(image[None], "float32")
    near = symmetric_normalization(SpatialFilter(SPATIAL[0]), images)
    if name is None:
        return (lambda q: SPATIAL[1] * near(q)), tf.function(near)
    kernel_filter = bilateral_filter(name, sxy, BILATERAL[1], **options)
    alike = tf.function(symmetric_normalization(kernel_filter, images), jit_compile=True)
    return (lambda q: SPATIAL[1] * near(q) + BILATERAL[2] * alike(q)), alike


def milliseconds(function, values):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function(values).numpy()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


def peer_beliefs(python, image, logits, sxy, iterations):
    with tempfile.TemporaryDirectory() as folder:
        given, taken = f"{folder}/given.npz", f"{folder}/taken.npz"
        bilateral = (sxy, *BILATERAL[1:])
        np.savez(given, image=image, unary=logits, spatial=SPATIAL, bilateral=bilateral,
                 iterations=iterations)  # fmt: skip
        subprocess.run([python, "-c", PEER, given, taken], check=True)
        with np.load(taken) as result:
            return list(result["beliefs"]), float(result["ms"])


def has_peer(python):
    command = [python, "-c", "import pydensecrf.densecrf"]
    return subprocess.run(command, capture_output=True).returncode == 0


def errors(found, exact):
    return [
        (np.abs(q - truth).sum(-1).mean(), (q.argmax(-1) == truth.argmax(-1)).mean())
        for q, truth in zip(found, exact, strict=True)
    ]


def measure(image, cases, arguments):
    """{case: {row: (errors after each number of iterations, ms)}} for one photo."""
    sxy, iterations = BILATERAL[0] * image.shape[1] / 500, arguments.iterations
    smooth, _ = messages("exact", {}, image, sxy)
    exact = mean_field(smooth, cases, iterations)
    rows = {case: {} for case in cases}
    for case, logits in cases.items():
        if arguments.peer:
            found, spent = peer_beliefs(arguments.peer, image, logits, sxy, iterations)
            rows[case]["pydensecrf"] = errors(found, exact[case]), spent
        kernels = {"spatial": SPATIAL, "bilateral": (sxy, *BILATERAL[1:])}
        found = [refine(logits, image, **kernels, iterations=count) for count in iterations]
        rows[case]["inference.refine"] = errors(found, exact[case]), np.nan
    for row, (name, options) in FILTERS.items():
        smooth, timed = messages(name, options, image, sxy)
        for case, found in mean_field(smooth, cases, iterations).items():
            spent = milliseconds(timed, tf.constant(cases[case][None]))
            rows[case][row] = errors(found, exact[case]), spent
    return rows


def print_table(size, kind, results, iterations):
    print(f"\n{size[0]} x {size[1]}, {kind}: error and agreement in %; {', '.join(results)}")
    for row in next(iter(results.values())):
        cells = []
        for index, count in enumerate(iterations):
            values = [result[row][0][index] for result in results.values()]
            numbers = " ".join(f"{error:.4f}" for error, _ in values)
            shares = " ".join(f"{100 * share:5.1f}" for _, share in values)
            cells.append(f"T={count:<2} {numbers}   {shares}")
        spent = np.mean([result[row][1] for result in results.values()])
        time_spent = "" if np.isnan(spent) else f"{spent:7.1f} ms"
        print(f"{row:21} {'   '.join(cells)}   {time_spent}".rstrip(), flush=True)


def worse(results):
    """Cases in which the permutohedral filter has a larger error than the peer."""
    return [
        f"{name}: {ours:.4f} against {theirs:.4f}"
        for name, result in results.items()
        for (ours, _), (theirs, _) in zip(
            result["permutohedral"][0], result["pydensecrf"][0], strict=True
        )
        if ours > theirs
    ]


def sides(text):
    return tuple(map(int, text.split("x")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="imN.png and annoN.png")
    parser.add_argument("--peer_python", default=sys.executable, help="a Python with pydensecrf")
    parser.add_argument("--sizes", nargs="+", type=sides, default=[(96, 72), (240, 180)])
    parser.add_argument("--iterations", nargs="+", type=int, default=[5, 10])
    parser.add_argument("--unaries", nargs="+", default=["labels", "noisy"])
    arguments = parser.parse_args()
    if not arguments.photos.is_dir():
        print(f"Skipped: there are no photos in {arguments.photos}. Name some by --photos.")
        return
    arguments.peer = arguments.peer_python if has_peer(arguments.peer_python) else None
    if arguments.peer is None:
        print("pydensecrf is not here: no comparison. Name a Python that has it: --peer_python.")
    missed = []
    for size in arguments.sizes:
        rows = {}
        for image, cases in photos(arguments.photos, size, arguments.unaries):
            rows |= measure(image, cases, arguments)
        for kind in arguments.unaries:
            results = {name: rows[each, name] for each, name in rows if each == kind}
            print_table(size, kind, results, arguments.iterations)
            missed += worse(results) if arguments.peer else []
    if arguments.peer:
        print(
            "\nThe permutohedral filter is worse than pydensecrf on:", ", ".join(missed) or "none"
        )
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
