r"""Train a model on a data set; the same command again continues where it was stopped.

    keras-struct train --model=ssd_mobilenet_v2 --data=voc:cells/ --epochs=60 --output=runs/cells
    keras-struct train --model=ssd_mobilenet_v2 --data=coco:train.json,images/ \
        --validation_split=0.2 --pyramid --default_boxes=kmeans --loss=focal --output=runs/small
    keras-struct train --model=runs/cells --data=voc:more_cells/ --learning_rate=1e-4 \
        --output=runs/cells2
    keras-struct train --model=unet_mobilenet_v2 --data=camvid:streets/ --image_size=288x384 \
        --crop_size=192x256 --class_weights=sqrt --backbone_rate=0.3 --output=runs/streets
    keras-struct train --model=runs/streets --data=camvid:streets/ --crf=joint --crf_rate=100 \
        --crf_spatial=1,1 --crf_bilateral=20,5,3 --learning_rate=1e-5 --output=runs/joint

After every epoch the run folder holds model.keras (the best so far by validation mAP, that of
masks or keypoints where the model gives them, or mean IoU of label maps), last.keras, history.csv,
metrics.json, curves.png, gallery.png, a TensorBoard log and state.npz. A training that was killed
goes on from its last whole epoch and ends with the weights it would have had (bit by bit on a CPU
with --deterministic).
"""

import functools
import sys
from typing import Any

from absl import logging

from keras_struct_tools import options as reading
from keras_struct_tools import train_flags
from keras_struct_tools.data_specs import with_proposals
from keras_struct_tools.run_folder import RunFolder
from keras_struct_tools.train_flags import FLAGS, NEUTRAL

__all__ = ["FLAGS", "main"]


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("model", "data", "output"))
    logging.set_verbosity(logging.INFO)
    folder = RunFolder(options.output)
    config = folder.config()
    asked = {name: options[name].value for name in options if name not in NEUTRAL}
    if config is not None:
        folder.check_same(config, "flags", asked)
        if _finished(folder):
            return 0
    _train(options, folder, config, asked)
    return 0


def _finished(folder: RunFolder) -> bool:
    from keras_struct.training.resume import read_progress

    progress = read_progress(folder.state_file)
    if progress is None or not progress["finished"]:
        return False
    print(f"{folder.path}: this training is finished ({len(progress['history'])} epochs).")
    _print_best(progress["history"])
    return True


def _train(options: Any, folder: RunFolder, config: dict | None, asked: dict[str, Any]) -> None:
    from keras_struct_tools import cluster, train_model, train_optimizer, train_setup

    with train_setup.runtime(options) as strategy:
        jit = train_setup.use_jit(options)
        with strategy.scope():
            origin = train_model.origin(options)
        train_flags.complete(options, origin.task)
        origin.settle(options)
        train, val = train_setup.open_data(options, origin.task)
        steps = _steps(options, train, strategy.num_replicas_in_sync)
        described = _describe(train, val, steps)
        if config is not None:
            folder.check_same(config, "data", described)
        momentum = train_optimizer.ema_momentum(options.ema, steps * options.epochs)
        fitted = config["fitted"] if config else origin.fitted(options, train)
        with strategy.scope():
            model = origin.build(options, train.class_names, fitted, config is not None)
            optimizer = train_optimizer.make_optimizer(options, steps, momentum, model)
            model.compile(optimizer, jit_compile=jit)
            model.optimizer.build(model.trainable_variables)
        train, val = (with_proposals(each, options.proposals, model) for each in (train, val))
        feed = _feed(options, train, origin.task)
        if cluster.is_cluster(strategy):
            cluster.prepare(model)
        if config is None and cluster.is_chief(strategy):
            resolved = {
                "flags": asked,
                "data": described,
                "model": model.get_config(),
                "fitted": fitted,
                "ema_momentum": momentum,
                "replicas": strategy.num_replicas_in_sync,
                "versions": train_setup.versions(),
            }
            folder.write_config(resolved)
        if cluster.is_chief(strategy):
            folder.remove_leftovers()
        _fit(options, folder, model, (feed, val, steps), strategy)


def _steps(options: Any, train: Any, replicas: int) -> int:
    if options.batch_size % replicas:
        raise ValueError(
            "`--batch_size` must be a multiple of the number of devices, "
            f"{replicas}. Received: --batch_size={options.batch_size}."
        )
    return train.steps(options.batch_size)


def _describe(train: Any, val: Any, steps: int) -> dict[str, Any]:
    return {
        "class_names": list(train.class_names),
        "train_images": len(train),
        "validation_images": len(val),
        "steps_per_epoch": steps,
    }


def _feed(options: Any, train: Any, task: str) -> Any:
    """Batches to train on, given the first epoch and the number of epochs."""
    from keras_struct_tools.train_setup import augmentation

    return functools.partial(
        train.batches,
        options.batch_size,
        options.crop_size or options.image_size,
        augment=augmentation(options, task),
        shuffle=True,
        seed=options.seed,
        resize=options.resize,
    )


def _fit(options: Any, folder: RunFolder, model: Any, data: tuple, strategy: Any) -> None:
    from keras_struct_tools.cluster import is_chief
    from keras_struct_tools.train_callbacks import callbacks

    feed, val, steps = data
    chief = is_chief(strategy)
    chain, resume = callbacks(options, folder, val, model.card(), chief)
    with strategy.scope():
        first = resume.restore(model)
    if first:
        logging.info("%s: continuing after epoch %d of %d", folder.path, first, options.epochs)
    if resume.stopped or first >= options.epochs:
        first, remaining = options.epochs, 1  # nothing to run, but the end is still to be written
    else:
        remaining = options.epochs - first
    model.fit(
        feed(first_epoch=first, epochs=remaining, fields=getattr(model, "fields", None)),
        initial_epoch=first,
        epochs=options.epochs,
        steps_per_epoch=steps,
        callbacks=chain,
        verbose=_verbosity(options.progress) if chief else 0,
        shuffle=False,  # the data comes shuffled
    )
    if chief:
        print(f"{folder.path}: trained {len(resume.history)} epochs.")
        _print_best(resume.history)


def _verbosity(progress: str) -> int:
    if progress == "auto":
        progress = "bar" if sys.stdout.isatty() else "line"
    return {"none": 0, "bar": 1, "line": 2}[progress]


def _print_best(history: list[dict[str, Any]]) -> None:
    from keras_struct.training.tasks import TASKS

    for task in TASKS.values():
        shown = [name for name in task.every_shown if any(f"val_{name}" in row for row in history)]
        if shown:
            headline = f"val_{shown[0]}"
            best = max((row for row in history if headline in row), key=lambda row: row[headline])
            numbers = [f"{name} {best[f'val_{name}']:.4f}" for name in shown]
            print(f"best epoch {best['epoch'] + 1}: {', '.join(numbers)}")
