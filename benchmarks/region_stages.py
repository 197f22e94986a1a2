"""Find where the time of a region-based detector goes: backbone, proposals, regions, heads.

Converts ever longer beginnings of the network to LiteRT, runs them in turns on the same image and
takes the differences of the medians. Results do not depend on weights, but how many boxes the
suppressions have to look at does: give a trained model and an image for numbers that count.

    python benchmarks/region_stages.py                                     # untrained Mask R-CNN
    python benchmarks/region_stages.py --model=runs/nuclei --image=nucleus.jpg

About 2 minutes on 2 cores.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from keras_struct import models
from keras_struct_export.frozen import freeze
from keras_struct_tools.measure_artefacts import model_file
from keras_struct_tools.model_files import load_keras

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
NOT_READ = ("rpn_logits", "rpn_deltas", "proposals")
ROW = "{:28} {:>10} {:>10} {:>7}"


def beginnings(model):
    """{stage: functional model from images up to its end}, in order."""
    raw = model.output
    levels = {name: x for name, x in raw.items() if name not in NOT_READ}
    proposals = model.proposer.propose(raw)
    branch = model.box_branch
    ends = {
        "backbone and pyramid": levels,
        "proposal network": raw,
        "decoding, suppression": {**levels, "proposals": proposals},
    }
    if hasattr(branch, "features"):  # R-FCN reads and votes in one
        ends["region features"] = {"features": branch.features(levels, proposals)}
    ends["heads"] = branch(levels, proposals)
    if model.mask_branch is None and model.keypoint_branch is None:
        ends["decoding, classes"] = model.with_decoder().output
    else:
        found = model.decoder()(branch(levels, proposals), proposals)
        ends["decoding, classes"] = {**levels, **found}
        ends["masks and keypoints"] = model.with_decoder().output
    return {stage: keras.Model(model.input, end) for stage, end in ends.items()}


def runner(model, threads):
    """A LiteRT interpreter of a functional model, as a function of a batch of one."""
    graph = freeze(model, "images", (1, *model.input.shape[1:]))
    function = graph.function.get_concrete_function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "beginning.tflite")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
        path.write_bytes(converter.convert())
        interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]["index"]

    def run(batch):
        interpreter.set_tensor(index, batch)
        interpreter.invoke()

    return run


def medians(runners, batch, runs, clock):
    """Median ms of each, in turns."""
    times = {name: [] for name in runners}
    for _ in range(runs + 1):  # the first one warms up
        for name, run in runners.items():
            start = clock()
            run(batch)
            times[name].append(1e3 * (clock() - start))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def pixels(model, path):
    """A batch of one image at the size of the network."""
    height, width = model.image_size
    if path is None:
        noise = np.random.default_rng(0).uniform(0, 255, (1, height, width, 3))
        return noise.astype("float32")
    with Image.open(path) as image:
        image = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image, "float32")[None]


def load(options):
    if options.model is None:
        return models.MaskRCNN("mobilenet_v2", 20, 320, num_proposals=(1000, 300))
    return load_keras(model_file(options.model))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="run folder or .keras file with a proposal network")
    parser.add_argument("--image", type=Path, help="image to run on; default: noise")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument(
        "--clock", choices=sorted(CLOCKS), default="wall", help="cpu: on a busy machine, 1 thread"
    )
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    model = load(options)
    runners = {stage: runner(part, options.threads) for stage, part in beginnings(model).items()}
    found = medians(runners, pixels(model, options.image), options.runs, CLOCKS[options.clock])
    print(f"{type(model).__name__}, {options.threads} thread(s), {options.clock} time")
    print(ROW.format("LiteRT float32", "ms up to", "ms", "share"))
    whole, before = list(found.values())[-1], 0.0
    for stage, upto in found.items():
        own = upto - before
        print(ROW.format(stage, f"{upto:.1f}", f"{own:.1f}", f"{100 * own / whole:.0f} %"))
        before = upto


if __name__ == "__main__":
    main()
