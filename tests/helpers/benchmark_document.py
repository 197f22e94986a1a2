"""A benchmark document with every kind of row, for the report's tests."""

import numpy as np

from keras_struct_tools.measure_rows import Row

HOSTILE = "<script>document.body.remove()</script>"
KEYS = ("cells-litert-float32", "cells-litert-int8", "cells-keras-float32")


NAMES = {"detection": ("mAP", "mAP_50"), "segmentation": ("mIoU", "pixel_accuracy")}


def timed_row(target, precision, threads, time, score, size, task="detection"):
    row = Row("cells", target, precision, threads, bytes=size, peak_memory_mb=80.0)
    stages = {"preprocess": 0.1, "network": 0.6, "decode": 0.2, "run": 0.8, "postprocess": 0.1}
    row.latency = {
        stage: {"median": share * time, "p90": 1.2 * share * time, "runs": 60}
        for stage, share in {**stages, "end_to_end": 1.0}.items()
    }
    row.accuracy = dict(zip(NAMES[task], (score, score + 0.2), strict=True))
    return row


def make_document(rows=None, task="detection"):
    if rows is None:
        rows = [
            timed_row("keras", "float32", 2, 60.0, 0.70, 9e6, task),
            timed_row("litert", "float32", 1, 5.0, 0.70, 8e6, task),
            timed_row("litert", "int8", 1, 2.0, 0.68, 2e6, task),
            timed_row("onnx", "float32", 1, 6.0, 0.69, 8e6, task),
            Row("cells", "onnx", "int8", 1, "failed", f"export failed: {HOSTILE}"),
            Row("cells", "tensorrt", "float16", None, "partial", "not measured (no GPU)"),
        ]
        rows[-1].layers = {"CONVOLUTION": {"HALF": 52}, "TOPK": {"FLOAT": 2}}
    return {
        "created": "2026-01-02 03:04 UTC",
        "command": f"keras-struct benchmark --data={HOSTILE}",
        "task": task,
        "accuracy": {"headline": NAMES[task][0], "names": list(NAMES[task])},
        "machine": {
            "cpu": "A processor",
            "cores": 2,
            "memory_gib": 4.0,
            "gpu": None,
            "os": "Linux",
            "machine": "x86_64",
            "python": "3.11.0",
            "versions": {"keras": "3.15.1"},
        },
        "data": {
            "spec": "voc:cells",
            "split": "val",
            "images": 3,
            "class_names": ["disc", HOSTILE, "background"],
        },
        "method": {"warmup": 5, "runs": 60, "rounds": 3, "threads": [1], "batch_size": 1},
        "rows": [row.as_dict() for row in rows],
    }


def make_items(count=2):
    rng = np.random.default_rng(0)
    boxes = np.array([[4, 5, 30, 40], [20, 20, 60, 50], [0, 0, 5, 5]], "float32")
    found = {"boxes": boxes, "labels": np.array([0, 1, 0]), "scores": np.array([0.9, 0.8, 0.1])}
    truth = {"boxes": boxes[:2], "labels": np.array([0, 1])}
    return [
        {
            "image": rng.integers(0, 256, (48, 64, 3)).astype("uint8"),
            "layers": {**{key: found for key in KEYS}, "truth": truth},
        }
        for _ in range(count)
    ]


def make_label_maps(count=2):
    labels = np.zeros((48, 64), "uint8")
    labels[:, 20:], labels[:10], labels[40:] = 1, 2, 255
    found = {"segmentation": labels}
    rng = np.random.default_rng(0)
    return [
        {
            "image": rng.integers(0, 256, (48, 64, 3)).astype("uint8"),
            "layers": {key: found for key in (*KEYS, "truth")},
        }
        for _ in range(count)
    ]
