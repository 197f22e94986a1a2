"""Time a training step of Faster R-CNN against keras-hub's RetinaNet, and with twice the regions.

ResNet-50 and a pyramid of 256 channels, both networks untrained, on the same random images with
eight boxes each. All steps are `train_on_batch` of Keras with AdamW in one process, in turns, and
medians are compared.

    pip install keras-hub
    python benchmarks/detector_training.py

- Faster R-CNN: 1000 proposals of an image in training, 128 regions, P2 to P6.
- RetinaNet: keras-hub's own, P3 to P7, nine anchors a cell, two towers of four convolutions.
- 100 and 200 regions: Fast R-CNN (features are computed once) and R-CNN (nothing is shared, crops
  of 64 x 64, MobileNetV2). With all features shared, twice the regions cost the same.

Without keras-hub its row is left out. Exit status 1 if Faster R-CNN trains fewer images a second
than RetinaNet, or if twice the regions double the time of Fast R-CNN. About 6 minutes on 2 cores.
"""

import argparse
import functools
import statistics
import sys
import time

import keras
import numpy as np

from keras_struct import models

CLASSES, BOXES = 3, 8


def batch(count, size, proposals=0, seed=0):
    """Images, and true boxes that are padded as a data set pads them."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, size / 2, (count, BOXES, 2))
    boxes = np.concatenate([low, low + rng.uniform(16, size / 2, low.shape)], -1)
    labels = rng.integers(0, CLASSES, (count, BOXES)).astype("int32")
    images = rng.uniform(0, 255, (count, size, size, 3)).astype("float32")
    if not proposals:
        return images, {"bounding_boxes": {"boxes": boxes.astype("float32"), "labels": labels}}
    moved = np.repeat(boxes, -(-proposals // BOXES), axis=1)[:, :proposals]
    moved = np.clip(moved + rng.normal(0, 6, moved.shape), 0, size).astype("float32")
    truth = {"bounding_boxes": {"boxes": boxes.astype("float32"), "labels": labels}}
    return {"images": images, "proposals": moved}, truth


def faster_rcnn(options):
    model = models.FasterRCNN("resnet50", CLASSES, options.size)
    return step_of(model, *batch(options.batch, options.size))


def retinanet(options):
    """A step of the peer, or None where it is not installed."""
    try:
        from keras_hub import models as hub
    except ImportError:
        return None
    encoder = hub.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[3, 4, 6, 3],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="bottleneck_block",
        image_shape=(options.size, options.size, 3),
    )
    body = hub.RetinaNetBackbone(
        encoder, min_level=3, max_level=7, use_p5=False,
        image_shape=(options.size, options.size, 3),
    )  # fmt: skip
    model = hub.RetinaNetObjectDetector(
        body, num_classes=CLASSES, bounding_box_format="xyxy", preprocessor=None
    )
    images, truth = batch(options.batch, options.size)
    losses = {"box_loss": keras.losses.Huber(reduction="sum"), "classification_loss": "auto"}
    return step_of(model, images, truth["bounding_boxes"], **losses)


def fast_rcnn(options, regions):
    model = models.FastRCNN(
        "mobilenet_v2", CLASSES, options.size, num_proposals=400, regions_per_image=regions,
        neck="pyramid", region_features="align", background_iou=(0.0, 0.5),
    )  # fmt: skip
    return step_of(model, *batch(1, options.size, proposals=400))


def rcnn(options, regions):
    model = models.RCNN(
        "mobilenet_v2", CLASSES, options.size, num_proposals=400, regions_per_image=regions,
        crop_size=64,
    )  # fmt: skip
    return step_of(model, *batch(1, options.size, proposals=400))


def step_of(model, x, y, **losses):
    """A function that trains on one batch; the first call, which traces, is made here."""
    model.compile(keras.optimizers.AdamW(1e-5), **losses)
    # keras-hub's own train_on_batch takes no dictionaries: Keras' does
    step = functools.partial(keras.Model.train_on_batch, model, x, y)
    step()
    return step


def medians(steps, runs):
    """Median seconds of each step, taken in turns."""
    times = {name: [] for name in steps}
    for _ in range(runs + 1):  # the first one warms up
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=320, help="pixels of a side")
    parser.add_argument("--batch", type=int, default=2, help="images of a step of the first two")
    parser.add_argument("--runs", type=int, default=7, help="steps of each")
    options = parser.parse_args()

    steps = {"Faster R-CNN": faster_rcnn(options), "RetinaNet (keras-hub)": retinanet(options)}
    steps = {name: step for name, step in steps.items() if step}
    found = medians(steps, options.runs)
    for name, seconds in found.items():
        print(f"{name:24} {seconds:7.3f} s a step, {options.batch / seconds:6.2f} images/s")
    ours, *theirs = found.values()
    ratio = theirs[0] / ours if theirs else float("inf")
    if theirs:
        print(f"{'images/s, ratio':24} {ratio:7.2f}   (aim: 1.0 or more)")

    factors = {}
    for name, make in (("Fast R-CNN", fast_rcnn), ("R-CNN", rcnn)):
        found = medians({count: make(options, count) for count in (100, 200)}, options.runs)
        factors[name] = found[200] / found[100]
        print(
            f"{name:24} {found[100]:7.3f} s with 100 regions, {found[200]:.3f} s with 200: "
            f"{factors[name]:.2f} times"
        )
    return int(ratio < 1.0 or factors["Fast R-CNN"] >= 2.0)


if __name__ == "__main__":
    sys.exit(main())
