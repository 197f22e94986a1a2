"""What tensors with an entry for every class hold for one class."""

from keras import ops


def of_class(values, labels):
    """What `values` (B, R, ..., C) hold for the class of each region; (B, R, ...).

    With one class for all (C = 1) that one. Labels (B, R) int32 below 0 give the first.
    """
    if values.shape[-1] == 1:
        return values[..., 0]
    # a sum over a product exports to every target, unlike a gather along the last axis
    hot = ops.one_hot(ops.maximum(labels, 0), values.shape[-1])
    shape = (-1, labels.shape[1], *[1] * (len(values.shape) - 3), values.shape[-1])
    return ops.sum(values * ops.reshape(hot, shape), axis=-1)
