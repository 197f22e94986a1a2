"""`fit` under `tf.distribute.MultiWorkerMirroredStrategy`.

The trainer of Keras 3.15 was written for replicas within one process and stumbles twice over
several: before the first step it averages a batch as one structure, and after each step it averages
the logs over an axis they do not have. Both are set right on the model that is trained.
"""

from typing import Any


def is_cluster(strategy: Any) -> bool:
    """Whether a strategy spans several processes."""
    return strategy.cluster_resolver is not None


def is_chief(strategy: Any) -> bool:
    """Whether this process writes the files: the only one, or worker 0."""
    return not is_cluster(strategy) or strategy.cluster_resolver.task_id in (None, 0)


def prepare(model: Any) -> None:
    """Let a compiled model, with built optimizer and without compiled metrics, train on a cluster.

    Args:
        model: the model; its logs are scalars.
    """
    from keras import ops

    step = model.train_step

    def train_step(data):
        return {name: ops.reshape(value, (1,)) for name, value in step(data).items()}

    # Not attributes of the model: Keras would look for layers in them.
    object.__setattr__(model, "train_step", train_step)
    object.__setattr__(model, "_maybe_symbolic_build", lambda *args, **kwargs: None)
