r"""Put the line from R-CNN to Faster R-CNN in one table: seconds an image and mAP.

    python benchmarks/region_systems.py --data=voc:cells/ --proposals=proposals.npz \
        --models=runs/rcnn_svm.keras,runs/spp,runs/fast,runs/faster

Time has two parts: finding proposals outside of the network (selective search, timed anew on the
same images) and the network with its decoding, compiled, one image at a time. All models are timed
in turns in one process. Their order is that of the papers: what R-CNN computes for every region
SPPnet and Fast R-CNN compute once an image, and Faster R-CNN needs no search. The mAP is that of
the whole split.

Sources: Girshick et al. 2014, arXiv:1311.2524; He et al. 2014, arXiv:1406.4729; Girshick 2015,
arXiv:1504.08083; Ren et al. 2015, arXiv:1506.01497. Needs keras-struct[proposals].
"""

import argparse
import statistics
import time

import numpy as np

from keras_struct import data, training
from keras_struct_tools.measure_artefacts import model_file
from keras_struct_tools.model_files import load_keras

ROW = "{:20} {:>10} {:>10} {:>10} {:>10} {:>10}"


def opened(model, options):
    """The data set as the model takes it."""
    dataset = data.open(options.data, options.split)
    if model.num_proposals == 0:
        return dataset
    return dataset.with_proposals(options.proposals, model.num_proposals)


def inputs_of(model, dataset, count):
    """Batches of one for the network, in the order of the data."""
    fields = [dataset.fields[0], *(["proposals"] if model.num_proposals else [])]
    batches = dataset.batches(
        1, model.image_size, resize=model.resize, shuffle=False, epochs=1, fields=fields
    )
    return [inputs for inputs, _ in batches.take(count)]


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def medians(predictors, batches):
    """Median seconds of each network, image by image in turns."""
    times = {name: [] for name in predictors}
    for name, predict in predictors.items():
        predict(batches[name][0])  # compiles
    for index in range(len(next(iter(batches.values())))):
        for name, predict in predictors.items():
            times[name].append(seconds(predict, batches[name][index]))
    return {name: statistics.median(values) for name, values in times.items()}


def search_time(options):
    """Median seconds of selective search."""
    dataset = data.open(options.data, options.split)
    images = [dataset.read(index)["images"] for index in range(options.images)]
    return statistics.median([seconds(data.selective_search, np.asarray(x)) for x in images])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", required=True, help="run folders or .keras files, by commas")
    parser.add_argument("--data", required=True, help="as of keras-struct evaluate")
    parser.add_argument("--split", default="val")
    parser.add_argument("--proposals", help="file of keras-struct propose")
    parser.add_argument("--images", type=int, default=10, help="images that are timed")
    parser.add_argument(
        "--accuracy", action=argparse.BooleanOptionalAction, default=True, help="judge them too"
    )
    options = parser.parse_args()
    models = {name: load_keras(model_file(name)) for name in options.models.split(",")}
    predictors = {name: training.BatchPredictor(model) for name, model in models.items()}
    batches = {
        name: inputs_of(model, opened(model, options), options.images)
        for name, model in models.items()
    }
    times, search = medians(predictors, batches), search_time(options)
    print(ROW.format("", "proposals", "network", "s an image", "mAP@0.5", "COCO mAP"))
    for name, model in models.items():
        found = {"mAP_50": np.nan, "mAP": np.nan}
        if options.accuracy:
            found = training.evaluate(predictors[name], opened(model, options))
        outside = search if model.num_proposals else 0.0
        print(
            ROW.format(
                f"{type(model).__name__} {model.num_proposals or ''}",
                f"{outside:.2f}",
                f"{times[name]:.3f}",
                f"{outside + times[name]:.2f}",
                f"{found['mAP_50']:.4f}",
                f"{found['mAP']:.4f}",
            )
        )


if __name__ == "__main__":
    main()
