r"""Train a model on a data set; the same command again continues where it was stopped.

    keras-struct train --model=ssd_mobilenet_v2 --data=voc:cells/ --epochs=60 --output=runs/cells
    keras-struct train --model=ssd_mobilenet_v2 --data=coco:train.json,images/ \
        --validation_split=0.2 --pyramid --default_boxes=kmeans --loss=focal --output=runs/small
    keras-struct train --model=runs/cells --data=voc:more_cells/ --learning_rate=1e-4 \
        --output=runs/cells2

After every epoch the run folder holds model.keras (the best so far by validation mAP), last.keras,
history.csv, metrics.json, curves.png, gallery.png, a TensorBoard log and state.npz. A training that
was killed goes on from its last whole epoch and ends with the weights it would have had (bit by bit
on a CPU with --deterministic).
"""

import sys
from typing import Any

from absl import logging

from keras_struct_tools import options as reading
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
    from keras_struct_tools import cluster, train_model, train_setup

    with train_setup.runtime(options) as strategy:
        jit = train_setup.use_jit(options)
        train, val = train_setup.open_data(options)
        steps = train.steps(options.batch_size)
        if options.batch_size % strategy.num_replicas_in_sync:
            raise ValueError(
                "`--batch_size` must be a multiple of the number of devices, "
                f"{strategy.num_replicas_in_sync}. Received: --batch_size={options.batch_size}."
            )
        described = _describe(train, val, steps)
        if config is not None:
            folder.check_same(config, "data", described)
        momentum = train_setup.ema_momentum(options.ema, steps * options.epochs)
        boxes = config["default_boxes"] if config else train_model.fitted_boxes(options, train)
        with strategy.scope():
            model = train_model.build_model(options, train.class_names, boxes, config is not None)
            optimizer = train_setup.make_optimizer(options, steps, momentum)
            model.compile(optimizer, jit_compile=jit)
            model.optimizer.build(model.trainable_variables)
        if cluster.is_cluster(strategy):
            cluster.prepare(model)
        if config is None and cluster.is_chief(strategy):
            resolved = {
                "flags": asked,
                "data": described,
                "model": model.get_config(),
                "default_boxes": boxes,
                "ema_momentum": momentum,
                "replicas": strategy.num_replicas_in_sync,
                "versions": train_setup.versions(),
            }
            folder.write_config(resolved)
        if cluster.is_chief(strategy):
            folder.remove_leftovers()
        _fit(options, folder, model, (train, val), strategy)


def _describe(train: Any, val: Any, steps: int) -> dict[str, Any]:
    return {
        "class_names": list(train.class_names),
        "train_images": len(train),
        "validation_images": len(val),
        "steps_per_epoch": steps,
    }


def _fit(options: Any, folder: RunFolder, model: Any, data: tuple[Any, Any], strategy: Any) -> None:
    from keras_struct_tools.cluster import is_chief
    from keras_struct_tools.train_callbacks import callbacks
    from keras_struct_tools.train_setup import augmentation

    train, val = data
    chief = is_chief(strategy)
    chain, resume = callbacks(options, folder, val, chief)
    with strategy.scope():
        first = resume.restore(model)
    if first:
        logging.info("%s: continuing after epoch %d of %d", folder.path, first, options.epochs)
    if resume.stopped or first >= options.epochs:
        first, remaining = options.epochs, 1  # nothing to run, but the end is still to be written
    else:
        remaining = options.epochs - first
    batches = train.batches(
        options.batch_size,
        model.image_size,
        augment=augmentation(options),
        shuffle=True,
        seed=options.seed,
        resize=model.resize,
        first_epoch=first,
        epochs=remaining,
    )
    model.fit(
        batches,
        initial_epoch=first,
        epochs=options.epochs,
        steps_per_epoch=train.steps(options.batch_size),
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
    evaluated = [row for row in history if "val_mAP" in row]
    if evaluated:
        best = max(evaluated, key=lambda row: row["val_mAP"])
        print(
            f"best epoch {best['epoch'] + 1}: mAP {best['val_mAP']:.4f}, "
            f"mAP_50 {best['val_mAP_50']:.4f}, voc12_mAP {best['val_voc12_mAP']:.4f}"
        )
