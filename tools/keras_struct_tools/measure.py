"""Measure artefacts: every row in fresh processes, the rows taking turns."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_struct_tools.measure_accuracy import accuracy_of
from keras_struct_tools.measure_rows import STAGES, Artefact, Row, rows_of, summarise

WORKER = Path(__file__).with_name("measure_worker.py")
NO_GPU = "latency, memory and accuracy not measured (no GPU)"


@dataclass(frozen=True)
class Effort:
    """How often each artefact runs.

    Args:
        warmup: runs thrown away at the start of each process.
        runs: runs that count, over all rounds.
        rounds: processes over which the runs are spread; in a round every row has its turn, so
            that a machine that slows down slows all rows.
        threads: numbers of threads, one row each.
        timeout: seconds one process may take.
    """

    warmup: int = 5
    runs: int = 60
    rounds: int = 3
    threads: tuple[int, ...] = (1,)
    timeout: float = 1800.0


def spool_images(dataset, folder: Path) -> list[str]:
    """Write the original images of a data set as `.npy` files, which any process can read."""
    files = []
    for index in range(len(dataset)):
        path = folder / f"{index}.npy"
        np.save(path, np.asarray(dataset.read(index)["images"], "uint8"))
        files.append(str(path))
    return files


class Bench:
    """Measures artefacts on the images of a data set.

    Args:
        dataset: the images, as a data set of the task.
        folder: a folder for intermediate files.
        effort: how often each artefact runs.
        gpu: name of the GPU, or None: engines are then not run.
        task: the task whose accuracy is measured.
    """

    def __init__(self, dataset, folder: Path, effort: Effort, gpu: str | None, task="detection"):
        self._dataset = dataset
        self._folder = folder
        self._effort = effort
        self._gpu = gpu
        self.task = task
        self._accuracy = accuracy_of(task)
        self._images = spool_images(dataset, folder)
        self.predictions: dict[str, Path] = {}
        self._cards: dict[str, dict] = {}
        self._figures: dict[str, dict[str, float]] = {}

    @property
    def accuracy_names(self) -> dict:
        """Return which figures say how good an artefact is, and the one for the chart.

        The headline is one that all measured artefacts have: boxes where some lack masks.
        """
        each = [tuple(figures) for figures in self._figures.values()]
        each = each or [self._accuracy.names({})]
        names = list(dict.fromkeys(name for names in each for name in names))
        common = [name for name in names if all(name in own for own in each)]
        return {"headline": common[0], "names": names}

    def image(self, index: int) -> np.ndarray:
        """Return the original image `index`."""
        return np.load(self._images[index])

    def steps(self, artefacts: list[Artefact]) -> int:
        """Return how often `measure` calls `advance`."""
        rows = sum(len(rows_of(artefact, list(self._effort.threads))) for artefact in artefacts)
        return rows * self._effort.rounds

    def measure(self, artefacts: list[Artefact], advance: Callable[[str], None]) -> list[Row]:
        """Return the rows of all artefacts; `advance(key)` is called after each process."""
        rows = [(artefact, row) for artefact in artefacts for row in self._rows(artefact)]
        times: list[dict] = [{} for _ in rows]
        for turn in range(self._effort.rounds):
            for (artefact, row), collected in zip(rows, times, strict=True):
                if row.status == "ok":
                    self._take_turn(artefact, row, collected, turn)
                advance(artefact.key)
        for (_, row), collected in zip(rows, times, strict=True):
            if row.status == "ok":
                row.latency = {s: summarise(collected[s]) for s in STAGES if s in collected}
        self._add_accuracy(rows)
        return [row for _, row in rows]

    def _rows(self, artefact: Artefact) -> list[Row]:
        rows = rows_of(artefact, list(self._effort.threads))
        for row in rows:
            if row.target == "tensorrt" and row.status == "ok" and self._gpu is None:
                row.status, row.reason = "partial", NO_GPU
        return rows

    def _take_turn(self, artefact: Artefact, row: Row, collected: dict, turn: int) -> None:
        wanted = turn == 0 and artefact.key not in self.predictions
        predictions = self._folder / f"{artefact.key}.npz" if wanted else None
        result = self._run_worker(artefact, row.threads, predictions)
        if "error" in result:
            return row.fail(result["error"])
        names = tuple(result["card"]["class_names"])
        if names != tuple(self._dataset.class_names):
            return row.fail(
                f"its classes {list(names)} differ from those of the data, "
                f"{list(self._dataset.class_names)}"
            )
        if predictions is not None:
            self.predictions[artefact.key] = predictions
            self._cards[artefact.key] = result["card"]
        for stage, values in result["times"].items():
            collected.setdefault(stage, []).extend(values)
        if turn == 0:
            row.load_ms = result["load_ms"]
            row.peak_memory_mb = result["peak_memory_mb"]

    def _run_worker(self, artefact: Artefact, threads, predictions: Path | None) -> dict:
        effort = self._effort
        job = {
            "artefact": str(artefact.path),
            "network": artefact.network and str(artefact.network),
            "target": artefact.target,
            "threads": threads,
            "images": self._images,
            "timed_images": 16,
            "warmup": effort.warmup,
            "runs": -(-effort.runs // effort.rounds),
            "predictions": predictions and str(predictions),
            "fields": self._accuracy.fields,
            "result": str(self._folder / "result.json"),
        }
        return run_worker(job, self._folder / "job.json", effort.timeout)

    def _add_accuracy(self, rows: list[tuple[Artefact, Row]]) -> None:
        for artefact, row in rows:
            if row.status != "ok":
                continue
            if artefact.key not in self._figures:
                self._figures[artefact.key] = self._score(artefact.key)
            row.accuracy = self._figures[artefact.key]

    def _score(self, key: str) -> dict[str, float]:
        accuracy = self._accuracy(self._dataset, self._cards[key])
        for index in range(len(self._dataset)):
            accuracy.update(index, self.prediction(key, index))
        return accuracy.result()

    def truth(self, index: int) -> dict[str, np.ndarray]:
        """Return what is annotated in image `index`."""
        return self._accuracy.truth(self._dataset, index)

    def prediction(self, key: str, index: int) -> dict[str, np.ndarray]:
        """Return what the artefact called `key` found on image `index`; masks as run lengths."""
        with np.load(self.predictions[key]) as arrays:
            names = {field: f"{index}/{field}" for field in self._accuracy.fields}
            found = {field: arrays[name] for field, name in names.items() if name in arrays}
        if "masks" in found:
            found["masks"] = json.loads(str(found["masks"]))
        return found


def run_worker(job: dict, job_file: Path, timeout: float) -> dict:
    """Run one job in a process of its own; return its result, or `{"error": why}`."""
    job_file.write_text(json.dumps(job), encoding="utf-8")
    result = Path(job["result"])
    result.unlink(missing_ok=True)
    # -P: without it the folder of this package is searched first, before the standard library.
    command = [sys.executable, "-P", str(WORKER), str(job_file)]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"the process took longer than {timeout:.0f} s"}
    if result.exists():
        return json.loads(result.read_text(encoding="utf-8"))
    last = (process.stderr.strip().splitlines() or ["no message"])[-1]
    if process.returncode < 0:
        return {"error": f"the process was ended by signal {-process.returncode}: {last}"}
    return {"error": f"the process ended with code {process.returncode}: {last}"}
