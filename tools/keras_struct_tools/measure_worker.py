"""Time one artefact in a process of its own: `python -P measure_worker.py JOB.json`.

Started as a file, so that nothing of ours but `keras_struct_edge` is imported: the peak memory
and the times are those of the device's program, not of the training stack around it.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np


def peak_memory_mb() -> float:
    """Return the highest resident memory of this process so far, in MiB."""
    # getrusage keeps the parent's peak over fork and exec on Linux; VmHWM starts anew at exec.
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    import resource

    scale = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def time_stages(predictor, network, images, warmup: int, runs: int) -> dict[str, list[float]]:
    """Time preprocessing, run, network, mapping back and end to end, interleaved, in ms.

    Args:
        predictor: has `preprocess`, `run`, `postprocess` and is callable on an image.
        network: the same network without decoder, or None.
        images: list of (H, W, 3) uint8 arrays, taken in turn.
        warmup: rounds that are thrown away.
        runs: rounds that count.

    Returns:
        One list of `runs` values in ms for each stage: `preprocess`, `run`, `postprocess`,
        `end_to_end` and, with a network, `network` and `decode` (paired run minus network).
    """
    times: dict[str, list[float]] = {}

    def timed(stage: str, function, *arguments):
        start = time.perf_counter()
        value = function(*arguments)
        times.setdefault(stage, []).append(1e3 * (time.perf_counter() - start))
        return value

    for turn in range(warmup + runs):
        if turn == warmup:
            times.clear()
        image = images[turn % len(images)]
        batch = timed("preprocess", predictor.preprocess, image)
        # the order changes every turn: the second of the two finds warmer caches.
        if network is not None and turn % 2:
            timed("network", network.run, batch)
        results = timed("run", predictor.run, batch)
        if network is not None and not turn % 2:
            timed("network", network.run, batch)
        timed("postprocess", predictor.postprocess, results, image.shape[:2])
        timed("end_to_end", predictor, image)
    if network is not None:
        pairs = zip(times["run"], times["network"], strict=True)
        times["decode"] = [run - alone for run, alone in pairs]
    return times


def save_predictions(predictor, files: list[str], fields: dict[str, str], path: str) -> None:
    """Predict every image and write the fields of each result as `INDEX/FIELD` arrays.

    Args:
        predictor: callable on an image.
        files: images as `.npy` files.
        fields: name of a field -> attribute of the answer that it is; what is None is left out.
        path: the `.npz` file.
    """
    arrays = {}
    for index, file in enumerate(files):
        answer = predictor(np.load(file))
        for field, attribute in fields.items():
            value = getattr(answer, attribute)
            if attribute == "masks" and value is not None:
                value = _mask_text(value)
            if value is not None:
                arrays[f"{index}/{field}"] = np.asarray(value)
    np.savez_compressed(path, **arrays)


def _mask_text(masks) -> str:
    """Masks (N, H, W) as a list of run lengths in JSON: as pixels they would fill the memory."""
    from keras_struct_edge.masks import encode_mask

    return json.dumps([encode_mask(mask) for mask in masks])


def _load(job: dict, key: str):
    if job[key] is None:
        return None
    if job["target"] == "keras":
        from keras_struct_tools.measure_keras import load_keras

        return load_keras(job[key], decoder=key == "artefact", threads=job["threads"])
    from keras_struct_edge import load

    return load(job[key], threads=job["threads"])


def measure(job: dict) -> dict:
    """Do the work a job describes and return the figures as a dict JSON can hold."""
    images = [np.load(file) for file in job["images"][: job["timed_images"]]]
    start = time.perf_counter()
    predictor = _load(job, "artefact")
    load_ms = 1e3 * (time.perf_counter() - start)
    for image in images[:3]:
        predictor(image)
    # read before the second artefact and the predictions below take memory of their own.
    memory = peak_memory_mb()
    network = _load(job, "network")
    times = time_stages(predictor, network, images, job["warmup"], job["runs"])
    if job["predictions"] is not None:
        save_predictions(predictor, job["images"], job["fields"], job["predictions"])
    return {
        "card": dict(predictor.card),
        "load_ms": load_ms,
        "peak_memory_mb": memory,
        "times": times,
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }


def main(path: str) -> int:
    """Read the job, write `job["result"]`; a failure is written there too, with exit code 1."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        result = measure(job)
    except Exception as error:  # the parent prints it in the row of this artefact
        result = {"error": f"{type(error).__name__}: {error}"}
    part = job["result"] + ".part"
    Path(part).write_text(json.dumps(result), encoding="utf-8")
    os.replace(part, job["result"])
    return int("error" in result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
