"""Time RoIAlign on a feature pyramid against other ways to it and against a limit.

300 boxes on one image of 800 x 800 pixels, levels P2 to P5 of 256 channels, 7 x 7 bins of 2 x 2
points. All run as `tf.function`s in one process, in turns, and medians are compared; "and back" is
the result and the gradient to all levels.

    python benchmarks/roi_align.py

- crop_and_resize, 1 point: `tf.image.crop_and_resize` to 7 x 7, a quarter of the work; TensorFlow's
  own C++, one call a level on boxes that were sorted by level beforehand.
- crop_and_resize, 2 x 2: to 14 x 14, then averaged: the same points as ours.
- gather_nd: all 16 cells of each bin at once, then a weighted sum.
- limit: to read each cell that is used once and write the result; back, to read the gradient of
  the result and write those of all levels. Bytes by the speed of a copy of as many, one thread.

"error": largest difference from ours. About 1 minute on 2 idle cores.
"""

import argparse
import os
import statistics
import time

import numpy as np
import tensorflow as tf

from keras_struct.ops import roi_align

IMAGE, NUMBERS, BOXES, CHANNELS, SIZE = 800, (2, 3, 4, 5), 300, 256, 7
ROW = "{:28} {:>9} {:>6} {:>9} {:>6} {:>8}"


def regions(seed=0):
    """Levels, and boxes of 16 to 600 px as tensors (1, R, 4), inside by half of P5's cell."""
    rng = np.random.default_rng(seed)
    sides = {number: IMAGE >> number for number in NUMBERS}
    levels = {
        f"P{number}": tf.constant(rng.normal(size=(1, side, side, CHANNELS)), "float32")
        for number, side in sides.items()
    }
    shape = np.exp(rng.uniform(np.log(0.5), np.log(2), (BOXES, 1)) * [[-0.5, 0.5]])
    size = np.exp(rng.uniform(np.log(16), np.log(540), (BOXES, 1))) * shape
    corner = rng.uniform(16, IMAGE - 16 - size)
    return levels, tf.constant(np.concatenate([corner, corner + size], -1)[None], "float32")


def level_of(boxes):
    """The level of each box, by logarithms."""
    sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    return np.clip(np.floor(4 + np.log2(sizes / 224)), NUMBERS[0], NUMBERS[-1]).astype(int)


def with_crop_and_resize(boxes, points):
    boxes = boxes[0].numpy()
    chosen = level_of(boxes)
    order = tf.constant(np.argsort(np.argsort(chosen, kind="stable")))
    size = SIZE * points

    def crops(levels, _):
        parts = []
        for number in NUMBERS:
            own = boxes[chosen == number]
            inset = (own[:, 2:] - own[:, :2]) / (2 * size)
            ends = np.concatenate([own[:, :2] + inset, own[:, 2:] - inset], -1) / 2**number - 0.5
            ends = tf.constant(ends[:, [1, 0, 3, 2]] / ((IMAGE >> number) - 1), "float32")
            where = tf.zeros(len(own), "int32")
            crop = tf.image.crop_and_resize(levels[f"P{number}"], ends, where, (size, size))
            parts.append(crop if points == 1 else tf.nn.avg_pool2d(crop, points, points, "VALID"))
        return tf.gather(tf.concat(parts, 0), order)[None]

    return crops


def cells_and_weights(boxes):
    """Rows of the table of all levels, and weights, (R, 7, 7, 16), in numpy."""
    boxes, sides = np.float64(boxes[0]), [IMAGE >> number for number in NUMBERS]
    level = level_of(boxes) - NUMBERS[0]
    side = np.array(sides)[level][:, None]
    first = np.cumsum([0] + [one**2 for one in sides])[level]
    taps = []
    for axis in (1, 0):
        parts = (np.arange(2 * SIZE) + 0.5) / (2 * SIZE)
        start, end = (
            boxes[:, [k]] / 2.0 ** (level[:, None] + NUMBERS[0]) for k in (axis, axis + 2)
        )
        place = np.clip(start + (end - start) * parts - 0.5, 0, side - 1)
        low = np.floor(place)
        cells = np.stack([low, np.minimum(low + 1, side - 1)], -1)
        share = np.stack([1 - place + low, place - low], -1)
        taps.append([part.reshape(BOXES, SIZE, 4) for part in (cells, share)])
    (rows, row_share), (columns, column_share) = taps
    rows, row_share = rows[:, :, None, :, None], row_share[:, :, None, :, None]
    columns, column_share = columns[:, None, :, None], column_share[:, None, :, None]
    cells = first[:, None, None, None, None] + rows * side[..., None, None, None] + columns
    shape = (BOXES, SIZE, SIZE, 16)
    return cells.reshape(shape).astype("int32"), (row_share * column_share).reshape(shape) / 4


def with_gather_nd(boxes):
    cells, weights = cells_and_weights(boxes)
    cells, weights = tf.constant(cells)[..., None], tf.constant(weights, "float32")[..., None]

    def gathered(levels, _):
        table = tf.concat([tf.reshape(x, (-1, CHANNELS)) for x in levels.values()], 0)
        return tf.reduce_sum(tf.gather_nd(table, cells) * weights, axis=3)[None]

    return gathered


def both_ways(function, compiled):
    """`function`, and the same with its gradient, as `tf.function`s."""

    def back(levels, boxes):
        with tf.GradientTape() as tape:
            tape.watch(levels)
            values = function(levels, boxes)
            total = tf.reduce_sum(values * values)
        slopes = tape.gradient(total, levels)
        return values, {name: tf.convert_to_tensor(slope) for name, slope in slopes.items()}

    return [tf.function(f, jit_compile=compiled, autograph=False) for f in (function, back)]


def timed(function):
    start = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - start)


def limits(levels, boxes):
    """Functions that copy the bytes of the limits."""
    used = 4 * CHANNELS * len(np.unique(cells_and_weights(boxes)[0]))
    result = 4 * CHANNELS * BOXES * SIZE**2
    whole = sum(4 * int(tf.size(features)) for features in levels.values())
    copies = []
    # A copy reads and writes, so that half of the bytes make it.
    for count in (used + result, used + 2 * result + whole):
        source, target = np.ones(count // 8, "float32"), np.zeros(count // 8, "float32")
        copies.append(lambda source=source, target=target: np.copyto(target, source))
    print(
        f"limit: {(used + result) / 1e6:.0f} MB, and back {(used + 2 * result + whole) / 1e6:.0f}"
    )
    return copies


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=21, help="timed calls of each, in turns")
    parser.add_argument("--threads", type=int, default=2, help="TensorFlow's threads")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    levels, boxes = regions()
    functions = {
        "ours": both_ways(roi_align, True),
        "ours, not compiled": both_ways(roi_align, False),
        "crop_and_resize, 1 point": both_ways(with_crop_and_resize(boxes, 1), False),
        "crop_and_resize, 2 x 2": both_ways(with_crop_and_resize(boxes, 2), False),
        "gather_nd": both_ways(with_gather_nd(boxes), True),
        "gather_nd, not compiled": both_ways(with_gather_nd(boxes), False),
    }
    base = functions["ours"][0](levels, boxes)
    errors = {
        name: f"{np.abs(pair[0](levels, boxes) - base).max():.0e}"
        for name, pair in functions.items()
    }
    calls = {
        (name, way): lambda function=function: tf.nest.flatten(function(levels, boxes))[-1].numpy()
        for name, pair in functions.items()
        for way, function in enumerate(pair)
    }
    calls |= {("limit", way): copy for way, copy in enumerate(limits(levels, boxes))}
    times = {key: [timed(call)][1:] for key, call in calls.items()}
    for _ in range(arguments.runs):
        for key, call in calls.items():
            times[key].append(timed(call))
    print(f"{os.cpu_count()} cores, load of the last minute {os.getloadavg()[0]:.2f}")
    print(ROW.format("what", "ms", "ratio", "and back", "ratio", "error"))
    medians = {key: statistics.median(values) for key, values in times.items()}
    for name in [*functions, "limit"]:
        numbers = []
        for way in (0, 1):
            numbers += [f"{medians[name, way]:.1f}"]
            numbers += [f"{medians[name, way] / medians['ours', way]:.2f}"]
        print(ROW.format(name, *numbers, errors.get(name, "")))


if __name__ == "__main__":
    main()
