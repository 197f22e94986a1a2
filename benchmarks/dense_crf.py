"""Refinement by the fully connected CRF against pydensecrf: speed, error, growth, and the limit.

    pip install keras-struct[crf] scikit-image; pip install pydensecrf2
    python benchmarks/dense_crf.py [--peer_python=peer/bin/python] [--photos a.jpg b.jpg]

The peer, pydensecrf 1.1 from PyPI (C++, one thread, the reference implementation), runs in a
process of its own, in turns with ours, and times itself with the same clock. Times are from arrays
to probabilities, set-up included. Kernels are the published ones: Gaussian 3 px, weight 3;
bilateral 80 px at a width of 500, colours 13, weight 10; symmetric normalisation. Potentials are
like those of a network of stride 8. Compiling is not timed: some seconds, once on a machine.

The error is the mean over pixels of the sum over labels of |Q - exact|. Exact are all pairs of
pixels in float32 tiles, as far as they count (3e-10 of the peak): half a minute a photo at 250x188,
ten at 500x375.

About 3 minutes on 2 idle cores. Exit status: 1 if a goal is missed; 0 if met, or without the peer.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

GOALS = {(500, 375, 21, 10): 3.0, (1000, 750, 21, 10): 4.0}
SPATIAL, COLOURS, WEIGHT = (3.0, 3.0), 13.0, 10.0
WORKER = Path(__file__).parent / "peers" / "pydensecrf_worker.py"
ROW = "{:>10} {:>6} {:>5} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer_python", default=sys.executable, help="one that has pydensecrf")
    parser.add_argument("--photos", type=Path, nargs="+", help="default: scikit-image's")
    parser.add_argument("--runs", type=int, default=9, help="timed calls of each, in turns")
    parser.add_argument("--exact", default="250x188", help="size at which the error is taken")
    parser.add_argument("--truth", type=Path, help="folder to keep exact results in")
    parser.add_argument("--output", type=Path, help="write the rows to this JSON file")
    options = parser.parse_args()
    photos = read_photos(options.photos)
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(options.peer_python, folder)
        if not peer.ready:
            print("Nothing measured: pip install pydensecrf2, or give --peer_python.")
            return 0
        print(f"{os.cpu_count()} cores, load of the last minute {os.getloadavg()[0]:.2f}")
        speed, missed = measure_speed(next(iter(photos.values())), peer, options.runs)
        width, height = map(int, options.exact.split("x"))
        errors, worse = measure_errors(photos, peer, width, height, options.truth)
    missed += worse
    print(f"load of the last minute {os.getloadavg()[0]:.2f}")
    print("Goals missed: " + "; ".join(missed) if missed else "All goals are met.")
    if options.output:
        rows = {"speed": speed, "errors": errors, "missed": missed}
        options.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(bool(missed))


def measure_speed(photo, peer, runs):
    """Rows of times, which grow with pixels, labels and iterations, and the goals missed."""
    print("\n" + " " * 31 + "milliseconds, medians" + " " * 16 + "peer / ours")
    print(ROW.format(*"size labels iter ours lattice peer set-up median least CPU".split()))
    cases = list(GOALS) + [(500, 375, 21, n) for n in (1, 5, 20)]
    cases += [(250, 188, 21, 10), (1500, 1125, 21, 10)]
    cases += [(500, 375, labels, 10) for labels in (2, 8, 64)]
    rows, missed = [], []
    for width, height, labels, iterations in cases:
        image, logits = case(photo, width, height, labels)
        row = compare(image, logits, iterations, peer, runs if len(rows) < len(GOALS) else 3)
        size = f"{width}x{height}"
        numbers = [f"{number:.{1 + (place > 3)}f}" for place, number in enumerate(row.values())]
        print(ROW.format(size, labels, iterations, *numbers), flush=True)
        goal = GOALS.get((width, height, labels, iterations), 0)
        if row["median"] < goal:
            missed.append(f"{size}, {iterations} iterations: {row['median']:.2f}, not {goal:.0f}")
        rows.append({"size": size, "labels": labels, "iterations": iterations, **row})
    report_limit(rows)
    return rows, missed


def compare(image, logits, iterations, peer, runs):
    """Times of both, in turns."""
    from keras_struct.inference import refine
    from keras_struct.inference.fused_lattice import build_lattice
    from keras_struct.inference.threads import Team, available_threads

    deviation = deviation_of(image)
    kernels = {"spatial": SPATIAL, "bilateral": (deviation, COLOURS, WEIGHT)}
    refine(logits, image, **kernels, iterations=1)
    peer.take(image, logits)
    ours, theirs, lattices = [], [], []
    for _ in range(runs):
        ours.append(timed(lambda: refine(logits, image, **kernels, iterations=iterations)))
        theirs.append(peer.ask(iterations))
        with Team(available_threads()) as team:
            lattices.append(timed(lambda team=team: build_lattice(image, deviation, COLOURS, team)))

    middle = lambda times, name="wall": 1000 * statistics.median(one[name] for one in times)  # noqa: E731
    ratio = lambda name: min(t[name] for t in theirs) / min(t[name] for t in ours)  # noqa: E731
    return {
        "ours": middle(ours),
        "lattice": middle(lattices),
        "peer": middle(theirs),
        "peer set-up": middle(theirs, "set-up"),
        "median": middle(theirs) / middle(ours),
        "least": ratio("wall"),
        "CPU": ratio("cpu"),
    }


def report_limit(rows):
    """What an iteration takes, beside the time in which its memory can be moved."""
    from keras_struct.inference.threads import Team, available_threads

    sources = np.ones((2, 16_000_000), "float32")
    targets = np.empty_like(sources)
    with Team(min(2, available_threads())) as team:
        moved = lambda: team.share(lambda half: np.copyto(targets[half], sources[half]), 2)  # noqa: E731
        rate = 2 * sources.nbytes / min(timed(moved)["wall"] for _ in range(9))
    times = {row["iterations"]: row["ours"] for row in rows if row["size"] == "500x375"}
    step = (times[20] - times[5]) / 15
    bytes_ = 500 * 375 * (21 * 4 + 6 * 8)
    limit = 1000 * bytes_ / rate
    print(
        f"\n500x375, 21 labels: an iteration has to read {bytes_ / 1e6:.1f} MB, the potentials and "
        f"six corners and weights of each pixel:\n{limit:.2f} ms at {rate / 1e9:.0f} GB/s, that of "
        f"a copy by two threads. It takes {step:.2f} ms, {step / limit:.1f} times the limit."
    )


def measure_errors(photos, peer, width, height, truth):
    """Distance of both from exact mean field, and the photos on which ours is larger."""
    from keras_struct.inference import refine

    print(f"\n{width}x{height}, 21 labels: error, and pixels whose label is exact mean field's")
    print("photo                iter   ours           peer")
    rows, missed = [], []
    for name, photo in photos.items():
        image, logits = case(photo, width, height, 21)
        kernels = {"spatial": SPATIAL, "bilateral": (deviation_of(image), COLOURS, WEIGHT)}
        exact = exact_mean_field(logits, image, truth and truth / f"{name}_{width}x{height}.npz")
        peer.take(image, logits)
        for iterations, expected in exact.items():
            ours = refine(logits, image, **kernels, iterations=iterations)
            row = {"photo": name, "iterations": iterations}
            for who, found in (("ours", ours), ("peer", peer.beliefs(iterations))):
                row[who] = float(np.abs(found - expected).sum(-1).mean())
                row[f"{who} agrees"] = float((found.argmax(-1) == expected.argmax(-1)).mean())
            print(
                f"{name:20} {iterations:>4}   {row['ours']:.4f} {row['ours agrees']:.2%}  "
                f"{row['peer']:.4f} {row['peer agrees']:.2%}",
                flush=True,
            )
            if row["ours"] > row["peer"]:
                missed.append(f"error on {name}, {iterations} iterations")
            rows.append(row)
    return rows, missed


def exact_mean_field(logits, image, file=None):
    """{5: beliefs, 10: beliefs} of mean field over all pairs of pixels."""
    if file and file.exists():
        with np.load(file) as kept:
            return {iterations: kept[f"q{iterations}"] for iterations in (5, 10)}
    height, width, labels = logits.shape
    places = np.mgrid[:height, :width][::-1].reshape(2, -1) / deviation_of(image)
    features = np.concatenate([places, image.reshape(-1, 3).T / COLOURS]).astype("float32").T
    near_y, near_x = (axis_kernel(length, SPATIAL[0]) for length in (height, width))
    scale = 1 / np.sqrt(all_pairs(features, np.ones((len(features), 1), "float32")))
    beliefs, kept = softmax(logits), {}
    for iteration in range(1, 11):
        spread = np.einsum("xz,yzl->yxl", near_x, beliefs, optimize=True)
        messages = SPATIAL[1] * np.tensordot(near_y, spread, 1)
        alike = scale * all_pairs(features, scale * beliefs.reshape(-1, labels))
        beliefs = softmax(logits + messages + WEIGHT * alike.reshape(logits.shape))
        if iteration in (5, 10):
            kept[iteration] = beliefs.astype("float32")
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **{f"q{iterations}": value for iterations, value in kept.items()})
    return kept


def all_pairs(features, values, tile=512, farthest=44.0):
    """Unnormalised Gaussian filter; tiles whose colours are too far apart count nothing."""
    order = np.lexsort((*features.T[:2] // 1, *(features.T[2:] // 3)))
    points, values = features[order], values[order].astype("float32")
    starts = np.arange(0, len(points), tile)
    low, high = (f.reduceat(points, starts) for f in (np.minimum, np.maximum))
    squares = (points**2).sum(1)
    result = np.zeros((len(points), values.shape[1]))
    for number, start in enumerate(starts):
        gaps = np.maximum(0, np.maximum(low[number] - high, low - high[number]))
        own = slice(start, start + tile)
        for other in starts[(gaps**2).sum(1) < farthest]:
            there = slice(other, other + tile)
            powers = points[own] @ points[there].T
            powers -= 0.5 * squares[own, None]
            powers -= 0.5 * squares[there]
            result[own] += np.exp(np.minimum(powers, 0, out=powers), out=powers) @ values[there]
    unsorted = np.empty_like(result)
    unsorted[order] = result
    return unsorted


def axis_kernel(length, deviation):
    places = np.arange(length)
    kernel = np.exp(-0.5 * ((places[:, None] - places) / deviation) ** 2)
    scale = 1 / np.sqrt(kernel.sum(1))
    return scale[:, None] * kernel * scale


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def read_photos(files):
    from PIL import Image

    if files is None:
        try:
            from skimage import data

            return {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea")}
        except ImportError:
            sys.exit("Give --photos, or pip install scikit-image, which brings some.")
    return {file.stem: np.asarray(Image.open(file).convert("RGB")) for file in files}


def case(photo, width, height, labels, stride=8):
    """The photo at a size, and potentials as of a network of a stride."""
    from PIL import Image

    picture = Image.fromarray(photo)
    image = np.array(picture.resize((width, height), Image.Resampling.BICUBIC))
    rng = np.random.default_rng(0)
    small = (-(-width // stride), -(-height // stride))
    colours = np.asarray(picture.resize(small, Image.Resampling.BOX)).astype("float32") / 40
    features = np.concatenate([colours, np.stack(np.mgrid[: small[1], : small[0]], -1) / 20], -1)
    seeds = rng.permutation(features.reshape(-1, 5))[:labels]
    nearest = ((features[:, :, None] - seeds) ** 2).sum(-1).argmin(-1)
    logits = rng.normal(0, 1, (*small[::-1], labels)) + 2.5 * np.eye(labels)[nearest]
    planes = [Image.fromarray(plane.astype("float32")) for plane in np.moveaxis(logits, 2, 0)]
    large = [np.array(plane.resize((width, height), Image.Resampling.BILINEAR)) for plane in planes]
    return image, np.ascontiguousarray(np.stack(large, -1))


def deviation_of(image):
    return 80 * image.shape[1] / 500


def timed(work):
    """Wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


class Peer:
    """pydensecrf in a process of its own."""

    def __init__(self, python, folder):
        self._folder, self._cases = Path(folder), 0
        found = subprocess.run([python, "-c", "import pydensecrf.densecrf"], capture_output=True)
        self.ready = found.returncode == 0
        if self.ready:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._process = subprocess.Popen([python, WORKER], **pipes)

    def take(self, image, logits):
        """Choose what is refined from now on."""
        self._cases += 1
        self._case = str(self._folder / f"{self._cases}.npz")
        self._kernels = (*SPATIAL, deviation_of(image), COLOURS, WEIGHT)
        np.savez(self._case, image=image, logits=logits)

    def ask(self, iterations, result=None):
        """Refine; returns the seconds."""
        request = {"case": self._case, "iterations": iterations, "result": result}
        print(
            json.dumps({**request, "kernels": self._kernels}), file=self._process.stdin, flush=True
        )
        return json.loads(self._process.stdout.readline())

    def beliefs(self, iterations):
        """(H, W, C) probabilities."""
        file = str(self._folder / "beliefs.npy")
        self.ask(iterations, file)
        return np.load(file)


if __name__ == "__main__":
    sys.exit(main())
