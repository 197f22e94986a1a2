"""What happens at the end of an epoch, in the order in which it has to."""

from typing import Any

from keras_struct_tools.run_folder import RunFolder


def callbacks(
    options: Any, folder: RunFolder, val: Any, card: dict[str, Any], chief: bool
) -> tuple[list, Any]:
    """The callbacks of a training, and among them the one that can bring it back.

    Args:
        options: flags of `train`.
        folder: the run folder.
        val: validation data.
        card: of the model, says what it is for and what it gives.
        chief: whether this process writes files.
    """
    import keras

    from keras_struct import training
    from keras_struct.training.tasks import task_of

    task = task_of(card["task"], card)
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
        chain.append(_short_progress(tuple(f"val_{name}" for name in task.shown)))
    return chain, resume


def _short_progress(names: tuple[str, ...]) -> Any:
    """Keras' progress bar with losses and the numbers `names`; history.csv has all of them."""
    import keras

    class ShortProgress(keras.callbacks.ProgbarLogger):
        def on_epoch_end(self, epoch, logs=None):
            losses = [n for n in logs or {} if n == "loss" or n.endswith("_loss")]
            shown = {name: logs[name] for name in (*losses, *names) if name in (logs or {})}
            super().on_epoch_end(epoch, shown)

    return ShortProgress()
