"""Measuring: stages, fresh processes, rows that fail alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from toy_artefact import ToyDataset, ToyLabelMaps, write_toy, write_toy_labels

from keras_struct.ops import run_lengths
from keras_struct_tools import measure
from keras_struct_tools.measure import Bench, Effort, run_worker
from keras_struct_tools.measure_accuracy import ACCURACIES, accuracy_of, common_task
from keras_struct_tools.measure_artefacts import given_artefact, model_file, model_names
from keras_struct_tools.measure_engine import layer_precisions
from keras_struct_tools.measure_rows import Artefact, rows_of, summarise
from keras_struct_tools.measure_worker import time_stages

EFFORT = Effort(warmup=1, runs=6, rounds=2)


@pytest.fixture
def toy(tmp_path):
    path = write_toy(tmp_path / "toy.onnx")
    return Artefact("toy", "onnx", "float32", path=path, network=path)


def bench(tmp_path, dataset=None, effort=EFFORT, gpu=None):
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    return Bench(dataset or ToyDataset(), folder, effort, gpu)


class Clock:
    """A predictor whose stages take known times on a clock of its own."""

    def __init__(self, monkeypatch):
        self.now, self.calls, self.slow = 0.0, [], 0.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def spend(self, name, milliseconds):
        self.calls.append(name)
        self.now += milliseconds / 1e3

    def preprocess(self, image):
        self.spend("preprocess", 1)
        return image

    def run(self, batch):
        self.slow += 1  # every run is slower than the one before
        self.spend("run", 10 + self.slow)

    def postprocess(self, results, size):
        self.spend("postprocess", 2)

    def __call__(self, image):
        self.spend("call", 20)


class Network:
    def __init__(self, clock):
        self.clock = clock

    def run(self, batch):
        self.clock.spend("network", 8)


def test_stages_are_timed_one_by_one_and_the_warm_up_does_not_count(monkeypatch):
    clock = Clock(monkeypatch)
    times = time_stages(clock, Network(clock), [np.zeros((4, 4, 3))], warmup=2, runs=3)
    assert times["preprocess"] == pytest.approx([1, 1, 1])
    assert times["network"] == pytest.approx([8, 8, 8])
    assert times["run"] == pytest.approx([13, 14, 15])
    assert times["decode"] == pytest.approx([5, 6, 7])  # run by run, not of the medians
    assert times["postprocess"] == pytest.approx([2, 2, 2])
    assert times["end_to_end"] == pytest.approx([20, 20, 20])


def test_network_and_artefact_take_turns_at_being_first(monkeypatch):
    clock = Clock(monkeypatch)
    time_stages(clock, Network(clock), [np.zeros((4, 4, 3))], warmup=0, runs=4)
    order = [name for name in clock.calls if name in ("run", "network")]
    assert order == ["run", "network", "network", "run"] * 2


def test_without_network_nothing_is_said_about_decoding(monkeypatch):
    clock = Clock(monkeypatch)
    times = time_stages(clock, None, [np.zeros((4, 4, 3))], warmup=0, runs=1)
    assert set(times) == {"preprocess", "run", "postprocess", "end_to_end"}


def test_summary_is_median_and_90th_percentile():
    assert summarise(list(range(1, 12))) == {"median": 6.0, "p90": 10.0, "runs": 11}


def test_a_perfect_artefact_measures_as_one(tmp_path, toy):
    steps = []
    run = bench(tmp_path)
    (row,) = run.measure([toy], steps.append)
    assert (row.status, row.file, row.threads) == ("ok", "toy.onnx", 1)
    assert row.accuracy == pytest.approx({"mAP": 1.0, "mAP_50": 1.0})
    assert row.bytes == toy.path.stat().st_size
    assert {stage: numbers["runs"] for stage, numbers in row.latency.items()} == dict.fromkeys(
        ("preprocess", "network", "decode", "run", "postprocess", "end_to_end"), 6
    )
    assert 15 < row.peak_memory_mb < 400
    assert steps == ["toy-onnx-float32"] * run.steps([toy])


def test_accuracy_is_that_of_the_file(tmp_path, toy):
    half = ToyDataset(box=(3.75, 2.5, 37.5, 21.0))  # IoU 18.5 / 27.5 = 0.673 with what it finds
    (row,) = bench(tmp_path, half).measure([toy], lambda key: None)
    assert row.accuracy == pytest.approx({"mAP": 0.4, "mAP_50": 1.0})  # IoU .50 .55 .60 .65


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        (30, {"mIoU": 1.0, "pixel_accuracy": 1.0}),
        # red is found in 30 columns and true in 20 of them, green the other way round
        (20, {"mIoU": (20 / 30 + 30 / 40) / 2, "pixel_accuracy": 50 / 60}),
    ],
)
def test_accuracy_of_label_maps(tmp_path, border, expected):
    toy = Artefact("toy", "onnx", "float32", path=write_toy_labels(tmp_path / "toy.onnx"))
    (tmp_path / "work").mkdir()
    dataset = ToyLabelMaps(border=border)
    run = Bench(dataset, tmp_path / "work", EFFORT, None, task="segmentation")
    (row,) = run.measure([toy], lambda key: None)
    assert row.accuracy == pytest.approx(expected)
    assert run.accuracy_names == {"headline": "mIoU", "names": ["mIoU", "pixel_accuracy"]}
    found = run.prediction(toy.key, 2)["segmentation"]
    assert found.shape == (40, 60) and found[5, 29] == 0 and found[5, 30] == 1
    np.testing.assert_array_equal(run.truth(2)["segmentation"], dataset.label_map(2))


class MaskedDataset(ToyDataset):
    """The box of `ToyDataset` with a mask that covers its left part, up to column `border`."""

    fields = ("bounding_boxes", "instance_masks")

    def __init__(self, border=20):
        super().__init__()
        self.border = border

    def mask_runs(self, index):
        mask = np.zeros((40, 60), "uint8")
        mask[3:30, 4 : self.border] = 1
        return run_lengths.encode([mask])


LEFT_HALF = np.zeros((1, 28, 28))
LEFT_HALF[:, :, :14] = 1.0


def masked_toy(tmp_path):
    path = write_toy(tmp_path / "masked.onnx", details={"masks": LEFT_HALF})
    return Artefact("masked", "onnx", "float32", path=path)


@pytest.mark.parametrize(("border", "over_half"), [(20, True), (60, False)])
def test_accuracy_of_masks_comes_first(tmp_path, border, over_half):
    """The mask found ends near column 3.75 + 33.75 / 2 = 20.6."""
    run = bench(tmp_path, MaskedDataset(border))
    (row,) = run.measure([masked_toy(tmp_path)], lambda key: None)
    assert list(row.accuracy) == ["mask_mAP", "mask_mAP_50", "mAP", "mAP_50"]
    assert row.accuracy["mask_mAP_50"] == (pytest.approx(1.0) if over_half else 0.0)
    assert row.accuracy["mAP"] == pytest.approx(1.0)
    assert run.accuracy_names["headline"] == "mask_mAP"
    found = run.prediction("masked-onnx-float32", 1)
    (mask,) = run_lengths.decode([run_lengths.compressed(one) for one in found["masks"]], (40, 60))
    assert mask[5:28, 5:20].all() and not mask[:, 22:].any()
    assert len(run.truth(0)["masks"]) == 1


def test_the_headline_is_one_that_all_artefacts_have(tmp_path, toy):
    run = bench(tmp_path, MaskedDataset())
    rows = run.measure([masked_toy(tmp_path), toy], lambda key: None)
    assert run.accuracy_names == {
        "headline": "mAP",
        "names": ["mask_mAP", "mask_mAP_50", "mAP", "mAP_50"],
    }
    assert "mask_mAP" in rows[0].accuracy and "mask_mAP" not in rows[1].accuracy
    assert set(run.prediction(toy.key, 0)) == {"boxes", "scores", "labels"}


def test_data_without_masks_judges_the_boxes(tmp_path):
    run = bench(tmp_path)
    (row,) = run.measure([masked_toy(tmp_path)], lambda key: None)
    assert row.accuracy == pytest.approx({"mAP": 1.0, "mAP_50": 1.0})
    assert run.accuracy_names == {"headline": "mAP", "names": ["mAP", "mAP_50"]}


def test_threads_make_rows_of_one_accuracy(tmp_path, toy):
    effort = Effort(warmup=0, runs=2, rounds=1, threads=(1, 2))
    rows = bench(tmp_path, effort=effort).measure([toy], lambda key: None)
    assert [row.threads for row in rows] == [1, 2]
    assert rows[0].accuracy == rows[1].accuracy != {}


def test_a_broken_file_costs_its_own_row_only(tmp_path, toy):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    bad = Artefact("broken", "onnx", "float32", path=broken)
    never = Artefact("cells", "litert", "int8", reason="export failed: ValueError: no images")
    rows = bench(tmp_path).measure([bad, never, toy], lambda key: None)
    assert [row.status for row in rows] == ["failed", "failed", "ok"]
    assert "broken.onnx" in rows[0].reason
    assert rows[1].reason == never.reason
    assert rows[0].latency == rows[1].latency == {}


def test_an_artefact_for_other_classes_is_not_scored(tmp_path, toy):
    dataset = ToyDataset()
    dataset.class_names = ("red", "blue")
    (row,) = bench(tmp_path, dataset).measure([toy], lambda key: None)
    assert row.status == "failed"
    assert "classes ['red', 'green'] differ from those of the data, ['red', 'blue']" in row.reason


def test_engines_without_gpu_are_described_but_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "run_worker", lambda *args: pytest.fail("it was run"))
    path = tmp_path / "cells.engine"
    path.write_bytes(b"x" * 1000)
    layers = {"CONVOLUTION": {"HALF": 5}}
    engine = Artefact("cells", "tensorrt", "float16", path=path, export_seconds=3.0, layers=layers)
    (row,) = bench(tmp_path).measure([engine], lambda key: None)
    assert (row.status, row.threads, row.bytes, row.layers) == ("partial", None, 1000, layers)
    assert "no GPU" in row.reason


def test_engines_with_a_gpu_are_run(tmp_path, monkeypatch):
    path = tmp_path / "cells.engine"
    path.write_bytes(b"x")
    jobs = []

    def fake(job, job_file, timeout):
        jobs.append(job)
        return {"error": "ArtefactError: not an engine"}

    monkeypatch.setattr(measure, "run_worker", fake)
    engine = Artefact("cells", "tensorrt", "float16", path=path)
    (row,) = bench(tmp_path, gpu="A GPU").measure([engine], lambda key: None)
    assert (row.status, row.reason) == ("failed", "ArtefactError: not an engine")
    assert [job["threads"] for job in jobs] == [None]  # and no second round after a failure


def test_rows_of_models_and_engines():
    threads = {
        target: [row.threads for row in rows_of(Artefact("a", target, "float32"), [2, 1])]
        for target in ("litert", "onnx", "keras", "tensorrt")
    }
    assert threads == {"litert": [2, 1], "onnx": [2, 1], "keras": [2], "tensorrt": [None]}


def worker_job(tmp_path, path):
    image = tmp_path / "0.npy"
    np.save(image, ToyDataset().read(0)["images"])
    return {
        "artefact": str(path), "network": None, "target": "onnx", "threads": 1,
        "images": [str(image)], "timed_images": 4, "warmup": 0, "runs": 2, "predictions": None,
        "fields": {}, "result": str(tmp_path / "result.json"),
    }  # fmt: skip


def test_the_measuring_process_holds_no_framework(tmp_path, toy):
    result = run_worker(worker_job(tmp_path, toy.path), tmp_path / "job.json", timeout=60)
    modules = set(result["modules"])
    assert not modules & {"tensorflow", "keras", "jax", "keras_struct", "keras_struct_tools"}
    assert {"numpy", "keras_struct_edge", "onnxruntime"} <= modules  # so the list says something


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_is_that_of_the_process_not_of_its_parent(tmp_path, toy):
    ballast = np.ones(75_000_000)  # 600 MB here
    result = run_worker(worker_job(tmp_path, toy.path), tmp_path / "job.json", timeout=60)
    assert ballast.sum() > 0
    assert 15 < result["peak_memory_mb"] < 400


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the process was ended by signal 9: no message"),
        ("import sys; sys.exit('out of luck')", "the process ended with code 1: out of luck"),
        ("import time; time.sleep(9)", "the process took longer than 2 s"),
    ],
)
def test_a_worker_that_dies_is_an_error_of_its_row(tmp_path, monkeypatch, script, message):
    worker = tmp_path / "worker.py"
    worker.write_text(script)
    monkeypatch.setattr(measure, "WORKER", worker)
    job = {"result": str(tmp_path / "result.json")}
    assert run_worker(job, tmp_path / "job.json", timeout=2) == {"error": message}


def test_an_old_result_is_never_taken_for_a_new_one(tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text("raise SystemExit(3)")
    monkeypatch.setattr(measure, "WORKER", worker)
    (tmp_path / "result.json").write_text(json.dumps({"times": {}}))
    result = run_worker({"result": str(tmp_path / "result.json")}, tmp_path / "job.json", 60)
    assert "error" in result


def test_a_task_plugs_in_its_accuracy(tmp_path, toy, monkeypatch):
    class Count:
        fields = {"classes": "labels"}

        def __init__(self, dataset, card):
            self.total = 0

        @staticmethod
        def names(card):
            return ("found",)

        def update(self, index, result):
            self.total += len(result["classes"])

        def result(self):
            return {"found": self.total}

    monkeypatch.setitem(ACCURACIES, "counting", Count)
    (tmp_path / "work").mkdir()
    run = Bench(ToyDataset(), tmp_path / "work", EFFORT, None, task="counting")
    (row,) = run.measure([toy], lambda key: None)
    assert run.accuracy_names == {"headline": "found", "names": ["found"]}
    assert row.accuracy == {"found": 3}


def test_an_unknown_task_is_named():
    with pytest.raises(ValueError, match=r"`task` must be one of \['detection', .*task='raw'"):
        accuracy_of("raw")


def test_a_benchmark_has_one_task():
    assert common_task([None, "segmentation", "raw", "segmentation"], ()) == "segmentation"
    assert common_task([None], ("segmentation_masks",)) == "segmentation"
    assert common_task([], ("bounding_boxes", "segmentation_masks")) == "detection"
    with pytest.raises(ValueError, match="models of one task.*'detection', 'segmentation'"):
        common_task(["detection", "segmentation"], ())


def test_a_run_folder_stands_for_its_model(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"x")
    assert model_file(tmp_path) == tmp_path / "model.keras"


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"There is no file .*cells/model.keras"):
        (tmp_path / "cells").mkdir()
        model_file(tmp_path / "cells")
    (tmp_path / "cells.h5").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"`--model` must end in one of .*cells.h5"):
        model_file(tmp_path / "cells.h5")


def test_models_are_named_by_file_or_folder(tmp_path):
    files = [tmp_path / "a" / "model.keras", tmp_path / "b" / "model.keras", tmp_path / "c.tflite"]
    assert model_names(files) == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"`--model` must name different models.*\['c'\]"):
        model_names([tmp_path / "c.keras", tmp_path / "c.tflite"])


def test_a_given_file_says_what_it_is(tmp_path, toy):
    found = given_artefact("toy", toy.path)
    assert (found.target, found.precision, found.network) == ("onnx", "float32", None)
    (tmp_path / "bad.engine").write_bytes(b"x")
    missing = given_artefact("bad", tmp_path / "bad.engine")
    assert missing.path is None and "bad.engine.json" in missing.reason


def test_layers_are_counted_by_precision(toy, tmp_path):
    pytest.importorskip("tensorrt_rtx")
    layers = layer_precisions(toy.path)
    assert layers["ELEMENTWISE"] == {"FLOAT": 3} and layers["REDUCE"] == {"FLOAT": 1}
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(ValueError, match=r"TensorRT cannot parse .*bad.onnx"):
        layer_precisions(tmp_path / "bad.onnx")
