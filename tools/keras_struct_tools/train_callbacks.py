"""What happens at the end of an epoch, in the order in which it has to."""

from typing import Any

from keras_struct_tools.run_folder import RunFolder

_LOSSES = ("loss", "box_loss", "class_loss")


def callbacks(
    options: Any, folder: RunFolder, val: Any, task_name: str, chief: bool
) -> tuple[list, Any]:
    """The callbacks of a training, and among them the one that can bring it back.

    Args:
        options: flags of `train`.
        folder: the run folder.
        val: validation data.
        task_name: what the model is for.
        chief: whether this process writes files.
    """
    import keras

    from keras_struct import training
    from keras_struct.training.tasks import task_of

    task = task_of(task_name)
    evaluation = training.Evaluation(
        val, min(options.batch_size, 8, len(val)), options.evaluate_every
    )
    keep = training.Checkpoints(folder.path, writes=chief)
    chain = [keras.callbacks.TerminateOnNaN(raise_error=True), evaluation, keep]
    with_state = [keep]
    if options.early_stopping:
        stopping = training.EarlyStopping(
            f"val_{task.headline}", patience=options.early_stopping, mode="max"
        )
        chain.append(stopping)
        with_state.append(stopping)
    resume = training.ExactResume(folder.state_file, with_state, writes=chief)
    chain.append(resume)
    if chief:
        chain.append(training.RunReports(folder.path, resume, evaluation, options.gallery))
        logs = folder.path / "tensorboard"
        chain.append(keras.callbacks.TensorBoard(logs, write_graph=False))
        chain.append(_short_progress((*_LOSSES, *(f"val_{name}" for name in task.shown))))
    return chain, resume


def _short_progress(names: tuple[str, ...]) -> Any:
    """Keras' progress bar with the numbers one looks at; history.csv has all of them."""
    import keras

    class ShortProgress(keras.callbacks.ProgbarLogger):
        def on_epoch_end(self, epoch, logs=None):
            shown = {name: (logs or {})[name] for name in names if name in (logs or {})}
            super().on_epoch_end(epoch, shown)

    return ShortProgress()
