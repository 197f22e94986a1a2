"""Time exact suppression against `tf.image.combined_non_max_suppression`.

Both run as `tf.function`s in one process, in turns, and the medians are compared. Data: crowds of
boxes around 40 objects an image, one class each, scores above .30 for 5.6 % of the boxes, and low
scores everywhere else, 4.7 % of all above .05. 100 detections per class, 200 in all, IoU .5.

    python benchmarks/nms.py --ablation

About 3 minutes on 2 idle cores, 15 with the ablation, mostly compiling.
"equal": the same scores, boxes and labels; detections of equal score may stand in another order.
"""

import argparse
import statistics
import time

import numpy as np
import tensorflow as tf

from keras_struct.ops import nms

IOU, PER_CLASS, DETECTIONS = 0.5, 100, 200
SIZES = {"SSD": (8732, 20), "YOLO": (25200, 80)}
ROW = "{:5} {:>2} {:>5} {:>4} {:24} {:>8} {:>6}  {}"


def detections(batch, num_boxes, num_classes, seed=0, objects=40):
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 120, (batch, objects, 2))
    centre = rng.uniform(0, 640, (batch, objects, 2))
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=2)
    label = rng.integers(0, num_classes, (batch, objects))
    size = rng.uniform(10, 150, (batch, num_boxes, 2))
    centre = rng.uniform(0, 640, (batch, num_boxes, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=2)
    scores = 0.3 * rng.uniform(0, 1, (batch, num_boxes, num_classes)) ** 39
    count = int(0.0565 * num_boxes)
    for i in range(batch):
        at, which = rng.choice(num_boxes, count, replace=False), rng.integers(0, objects, count)
        sides = np.tile(corners[i, which, 2:] - corners[i, which, :2], 2)
        boxes[i, at] = corners[i, which] + rng.normal(0, 0.07, (count, 4)) * sides
        scores[i, at, label[i, which]] = rng.uniform(0.3, 0.98, count)
    return tf.constant(boxes, "float32"), tf.constant(scores, "float32")


def theirs(threshold):
    def run(boxes, scores):
        result = tf.image.combined_non_max_suppression(
            boxes[:, :, None], scores, PER_CLASS, DETECTIONS, IOU, threshold, clip_boxes=False
        )
        return {
            "boxes": result.nmsed_boxes,
            "scores": result.nmsed_scores,
            "labels": tf.cast(result.nmsed_classes, "int32"),
            "num_detections": result.valid_detections,
        }

    return tf.function(run)


def ours(threshold, compiled=True, **speed):
    options = nms.Options(IOU, threshold, DETECTIONS, None, PER_CLASS, **speed)
    run = tf.function(nms.suppress, jit_compile=compiled)
    return lambda boxes, scores: run(boxes, scores, options)


def halves(threshold):
    """XLA runs a compiled batch on one core: TensorFlow runs two compiled halves on two."""
    options = nms.Options(IOU, threshold, DETECTIONS, None, PER_CLASS)
    half = tf.function(nms.suppress, jit_compile=True)

    def run(boxes, scores):
        middle = len(boxes) // 2
        parts = [
            half(boxes[part], scores[part], options)
            for part in (slice(middle), slice(middle, None))
        ]
        return {name: tf.concat([part[name] for part in parts], 0) for name in parts[0]}

    return tf.function(run)


def same(first, second):
    """Whether both hold the same detections, in any order among equal scores."""
    for i, count in enumerate(first["num_detections"]):
        rows = []
        for result in (first, second):
            part = [result[name][i].numpy() for name in ("scores", "labels", "boxes")]
            table = np.column_stack([p.reshape(DETECTIONS, -1)[:count] for p in part])
            rows.append(table[np.lexsort(table.T)])
        if count != second["num_detections"][i] or not np.array_equal(*rows):
            return False
    return True


def medians(functions, data, runs):
    times = {name: [] for name in functions}
    for _ in range(runs):
        for name, function in functions.items():
            start = time.perf_counter()
            function(*data)["num_detections"].numpy()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def candidates(threshold, batch, ablation):
    functions = {
        "combined_nms": theirs(threshold),
        "ours": ours(threshold),
        "ours, not compiled": ours(threshold, compiled=False),
    }
    if batch > 1:
        functions["ours, a half a core"] = halves(threshold)
    if ablation:
        for window in (32, 128, 256):
            functions[f"window {window}"] = ours(threshold, window=window)
        for block in (128, 256, 512, 768, 1536):
            functions[f"block {block}"] = ours(threshold, block=block)
        for sweeps in (2, 3, 6):
            functions[f"sweeps {sweeps}"] = ours(threshold, sweeps=sweeps)
        functions["one block (may miss)"] = ours(threshold, exhaustive=False)
    return functions


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=21, help="timed calls of each, in turns")
    parser.add_argument("--threads", type=int, default=2, help="TensorFlow's threads")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--ablation", action="store_true", help="also other block sizes etc.")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    print(ROW.format("size", "B", "score", "kept", "what", "ms", "ratio", "equal"))
    for size, (num_boxes, num_classes) in SIZES.items():
        for batch in arguments.batches:
            data = detections(batch, num_boxes, num_classes)
            for threshold in (0.05, 0.3):
                functions = candidates(threshold, batch, arguments.ablation)
                results = {name: function(*data) for name, function in functions.items()}
                base = results["combined_nms"]
                kept = int(base["num_detections"][0])
                times = medians(functions, data, arguments.runs)
                for name, value in times.items():
                    ratio = f"{times['combined_nms'] / value:.2f}"
                    line = (size, batch, threshold, kept, name, f"{value:.2f}", ratio)
                    print(ROW.format(*line, same(base, results[name])), flush=True)


if __name__ == "__main__":
    main()
