"""What happens at the end of an epoch, in the order in which it has to."""

from typing import Any

from keras_struct_tools.run_folder import RunFolder

_SHOWN = ("loss", "box_loss", "class_loss", "val_mAP", "val_mAP_50", "val_voc12_mAP")


def callbacks(options: Any, folder: RunFolder, val: Any, chief: bool) -> tuple[list, Any]:
    """The callbacks of a training, and among them the one that can bring it back.

    Args:
        options: flags of `train`.
        folder: the run folder.
        val: validation data.
        chief: whether this process writes files.
    """
    import keras

    from keras_struct import training

    evaluation = training.Evaluation(
        val, min(options.batch_size, 8, len(val)), options.evaluate_every
    )
    keep = training.Checkpoints(folder.path, writes=chief)
    chain = [keras.callbacks.TerminateOnNaN(raise_error=True), evaluation, keep]
    with_state = [keep]
    if options.early_stopping:
        stopping = training.EarlyStopping("val_mAP", patience=options.early_stopping, mode="max")
        chain.append(stopping)
        with_state.append(stopping)
    resume = training.ExactResume(folder.state_file, with_state, writes=chief)
    chain.append(resume)
    if chief:
        chain.append(training.RunReports(folder.path, resume, evaluation, options.gallery))
        logs = folder.path / "tensorboard"
        chain.append(keras.callbacks.TensorBoard(logs, write_graph=False))
        chain.append(_short_progress())
    return chain, resume


def _short_progress() -> Any:
    """Keras' progress bar with the numbers one looks at; history.csv has all of them."""
    import keras

    class ShortProgress(keras.callbacks.ProgbarLogger):
        def on_epoch_end(self, epoch, logs=None):
            shown = {name: (logs or {})[name] for name in _SHOWN if name in (logs or {})}
            super().on_epoch_end(epoch, shown)

    return ShortProgress()
