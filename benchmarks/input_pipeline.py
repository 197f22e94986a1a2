"""Is the input pipeline fast enough? Images a second against the bare JPEG decoder.

Writes 500x375 JPEGs, then reads them in turns: with TensorFlow's decoder alone, in batches without
and in batches with SSD's augmentation. The limit is the decoder: every pipeline has to decode.
With --model-step the peer is a training step of SSD-MobileNetV2; the pipeline is to be at least
twice as fast, so that it never makes the step wait.

    python benchmarks/input_pipeline.py [--model-step] [--output pipeline.json]

Exit status: 0 measured, 1 the pipeline is less than twice as fast as the training step.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_struct import data

HEIGHT, WIDTH, QUALITY = 375, 500, 90
EPOCHS = 4
GOAL = 2.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256, help="JPEGs to write")
    parser.add_argument("--batch-size", type=int, default=16, help="images in a batch")
    parser.add_argument("--image-size", type=int, default=320, help="network input, pixels")
    parser.add_argument("--runs", type=int, default=7, help="passes over the images, in turns")
    parser.add_argument("--model-step", action="store_true", help="time a training step as well")
    parser.add_argument("--output", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder), options.images)
        numbers = describe(options, files)
        numbers |= measure_reading(data.voc(folder), files, options)
    if options.model_step:
        rate = training_rate(options)
        numbers["training images/s"] = rate
        numbers["pipeline / training"] = round(numbers["augmented images/s"] / rate, 2)
    for name, value in numbers.items():
        print(f"{name:28s} {value}")
    if options.output:
        part = options.output.with_name(f".{options.output.name}.part")
        part.write_text(json.dumps(numbers, indent=1) + "\n")
        os.replace(part, options.output)
    return int(numbers.get("pipeline / training", GOAL) < GOAL)


def describe(options, files):
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "tensorflow": tf.__version__,
        "images": options.images,
        "median file, kB": round(statistics.median(os.path.getsize(f) for f in files) / 1000),
        "batch size": options.batch_size,
        "image size": options.image_size,
        "runs": options.runs,
    }


def write_images(folder, count):
    """A VOC folder of JPEGs with the detail, hence the size, of photographs."""
    for name in ("Annotations", "ImageSets", "JPEGImages"):
        (folder / name).mkdir()
    world, files = data.shapes(count, (HEIGHT, WIDTH)), []
    for index in range(count):
        files.append(str(folder / "JPEGImages" / f"{index:05d}.jpg"))
        Image.fromarray(world[index]["images"]).save(files[-1], quality=QUALITY)
        truth = world.annotation(index)
        objects = "".join(
            f"<object><name>{world.class_names[label]}</name><bndbox><xmin>{x1 + 1}</xmin>"
            f"<ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for (x1, y1, x2, y2), label in zip(truth["boxes"], truth["labels"], strict=True)
        )
        size = f"<size><height>{HEIGHT}</height><width>{WIDTH}</width></size>"
        text = f"<annotation>{size}{objects}</annotation>"
        (folder / "Annotations" / f"{index:05d}.xml").write_text(text)
    (folder / "ImageSets" / "train.txt").write_text("\n".join(Path(f).stem for f in files))
    return files


def measure_reading(dataset, files, options):
    def decode(file):
        pixels = tf.io.decode_jpeg(tf.io.read_file(file), channels=3)
        return tf.reshape(pixels[0, 0], (3,))

    def batches(**arguments):
        # one long stream: a new iteration costs its start, which is reported by itself
        return dataset.batches(
            options.batch_size, options.image_size, epochs=EPOCHS, shuffle=True, **arguments
        )

    decoder = tf.data.Dataset.from_tensor_slices(files).repeat(EPOCHS)
    decoder = decoder.map(decode, tf.data.AUTOTUNE).batch(options.batch_size, True).prefetch(2)
    streams = {"decoder": decoder, "plain": batches(), "augmented": batches(augment=True)}
    passes = {name: [] for name in streams}
    for run in range(options.runs + 1):
        for name, stream in streams.items():
            result = time_stream(stream, options.batch_size)
            if run:  # the first pass traces and fills the disk cache
                passes[name].append(result)
    rates = {name: [rate for _, rate in results] for name, results in passes.items()}
    numbers = {f"{name} images/s": round(statistics.median(r), 1) for name, r in rates.items()}
    for name in ("plain", "augmented"):
        ratios = [mine / limit for mine, limit in zip(rates[name], rates["decoder"], strict=True)]
        numbers[f"{name} / decoder"] = round(statistics.median(ratios), 3)
        starts = [start for start, _ in passes[name]]
        numbers[f"{name} start, s"] = round(statistics.median(starts), 2)
    return numbers


def time_stream(stream, batch_size):
    """Seconds until the first batch, and images a second from there on."""
    start = time.perf_counter()
    iterator = iter(stream)
    next(iterator)
    first = time.perf_counter()
    count = sum(1 for _ in iterator)
    return first - start, count * batch_size / (time.perf_counter() - first)


def training_rate(options):
    """Images a second of `train_on_batch`, its batch ready in memory."""
    import keras_struct as ks

    model = ks.models.SSD("mobilenet_v2", num_classes=20, image_size=options.image_size)
    model.compile("adamw")
    world = data.shapes(options.batch_size, options.image_size)
    batch = next(iter(world.batches(options.batch_size, options.image_size)))
    seconds = []
    for _ in range(options.runs + 2):
        start = time.perf_counter()
        loss = model.train_on_batch(*batch)
        np.asarray(loss)
        seconds.append(time.perf_counter() - start)
    # two steps of warming up: tracing, then the optimizer's first touch of its memory
    return round(options.batch_size / statistics.median(seconds[2:]), 1)


if __name__ == "__main__":
    sys.exit(main())
