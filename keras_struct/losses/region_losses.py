"""Losses that look at the whole region of a class: how far it and the predicted one overlap."""

import abc

import keras
from keras import ops

from keras_struct.losses.label_map_loss import LabelMapLoss, counts_of, one_hot


class _RegionLoss(LabelMapLoss, abc.ABC):
    """A loss of each class, as the weighted mean over the classes that an image has."""

    def call(self, labels, logits, pixel_weights=None):
        target = one_hot(labels, logits.shape[-1])
        counts = counts_of(labels, pixel_weights)[..., None]
        losses = self.of_classes(target, ops.softmax(logits, axis=-1), counts)
        present = ops.cast(ops.sum(target * counts, axis=(1, 2)) > 0, "float32")
        weights = present * self.table(logits.shape[-1])
        return ops.divide_no_nan(ops.sum(losses * weights, axis=-1), ops.sum(weights, axis=-1))

    @abc.abstractmethod
    def of_classes(self, target, probabilities, counts):
        """Losses (B, C) of one-hot targets, probabilities (B, H, W, C) and counts (B, H, W, 1)."""


@keras.saving.register_keras_serializable(package="keras_struct")
class SoftDice(_RegionLoss):
    """1 - Dice coefficient of the probabilities, the mean over the classes of an image.

    Of class c: 1 - 2 * sum(p * t) / (sum(p) + sum(t)) over the pixels that count, where t is 1 on
    pixels of the class. Keras' `Dice` ignores no label, and takes the classes together, or those
    that an image lacks as well.

    Args:
        class_weights: C floats that weigh the classes in the mean, or None.

    Source: Milletari et al. 2016, arXiv:1606.04797, without their squares.
    """

    def of_classes(self, target, probabilities, counts):
        """1 - Dice of each class."""
        both = ops.sum(counts * probabilities * target, axis=(1, 2))
        either = ops.sum(counts * (probabilities + target), axis=(1, 2))
        return 1 - ops.divide_no_nan(2 * both, either)


@keras.saving.register_keras_serializable(package="keras_struct")
class LovaszSoftmax(_RegionLoss):
    """1 - Jaccard index, made differentiable: its Lovasz extension, the mean over the classes.

    For certain predictions it is 1 - intersection / union, and in between the tightest convex
    surrogate. Sorting all pixels of an image for every class takes its time: pair it with
    cross-entropy only where overlap counts. Keras has nothing like it.

    Pixels that count more enter intersection and union with their weight.

    Args:
        class_weights: C floats that weigh the classes in the mean, or None.

    Source: Berman et al. 2018, arXiv:1705.08790, algorithm 1; image by image, classes present.
    """

    def of_classes(self, target, probabilities, counts):
        """Lovasz extension of each class."""
        batch, height, width, classes = ops.shape(target)

        def by_class(x):
            x = ops.reshape(x, (batch, height * width, classes))
            return ops.transpose(x, (0, 2, 1))

        errors = by_class(ops.abs(target - probabilities))
        errors, order = ops.top_k(errors, errors.shape[-1])
        # One look-up for both: positive on the class, negative off it.
        signed = ops.take_along_axis(by_class((2 * target - 1) * counts), order, axis=-1)
        on, off = ops.relu(signed), ops.relu(-signed)
        total = ops.sum(on, axis=-1, keepdims=True)
        intersection = total - ops.cumsum(on, axis=-1)
        union = total + ops.cumsum(off, axis=-1)
        jaccard_loss = 1 - ops.divide_no_nan(intersection, union)
        # How much the loss grows with each pixel that is wrong, most wrong first.
        steps = ops.concatenate(
            [jaccard_loss[..., :1], jaccard_loss[..., 1:] - jaccard_loss[..., :-1]], axis=-1
        )
        return ops.sum(errors * ops.stop_gradient(steps), axis=-1)
