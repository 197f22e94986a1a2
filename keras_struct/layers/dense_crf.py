"""The fully connected CRF as a layer."""

import math

import keras
import numpy as np
from keras import ops

from keras_struct.inference.mean_field import mean_field
from keras_struct.ops.gaussian_filters import (
    SpatialFilter,
    bilateral_filter,
    check_bandwidth,
    symmetric_normalization,
)
from keras_struct.ops.known import known_int

_COMPATIBILITIES = ("potts", "diagonal", "full")


@keras.saving.register_keras_serializable(package="keras_struct")
class DenseCRF(keras.layers.Layer):
    """Let every pixel hear every other one, the more the nearer and the more alike in colour.

    The energy of a labelling x is

        sum_i -U_i(x_i) + sum_ij E(x_i, x_j) (w1 exp(-|p_i - p_j|^2 / 2 sxy^2
            - |I_i - I_j|^2 / 2 srgb^2) + w2 exp(-|p_i - p_j|^2 / 2 sxy'^2))

    and mean field with kernels normalised to D^-1/2 K D^-1/2 minimises it. Weights and energies E
    are trained; gradients reach them and the logits, not the image. Any number of images of any
    size. Computes in float32 under any dtype policy.

    Args:
        spatial_sxy: float > 0, pixels, bandwidth (standard deviation) of the second kernel.
        spatial_weight: float, or one for each class: w2 to start from.
        bilateral_sxy: float > 0, pixels, bandwidth of the first kernel.
        bilateral_srgb: float > 0, grey levels, its bandwidth of colours.
        bilateral_weight: float, or one for each class: w1 to start from.
        per_class: bool, learn a weight for each class even if one number starts them.
        compatibility: "potts", all different labels pay 1, nothing to learn; "diagonal", equal
            labels pay an energy of their class, -1 at first; "full", any two labels, asymmetric
            as learned, Potts at first.
        compatibility_values: C or (C, C) energies to start "diagonal" or "full" from, or None.
        learn_compatibility: bool, whether training changes them. `trainable=False` fixes weights
            and energies.
        filter: how the first kernel is computed: "permutohedral", nearest to exact at a cost that
            large images can bear; "exact", for small ones; "grid" and "local" for export to
            devices, the first nearly as accurate, the other a small window. Their errors and
            costs: see `keras_struct.ops.gaussian_filters`.
        filter_options: dict, further arguments of that filter, or None.
        iterations: int, mean field iterations in inference.
        training_iterations: int, iterations in training.

    Call arguments:
        logits: (B, H, W, C) float, unary potentials.
        images: (B, H, W, F) float, 0..255, usually RGB.
        iterations: int or None for the layer's own.
        training: bool.

    Returns:
        (B, H, W, C) float32 logits; their softmax are the beliefs.

    Raises:
        ValueError: for arguments or shapes that do not fit, and for logits with NaN or infinity
            where they are known: inside a compiled function they are not.

    Example:
        >>> crf = DenseCRF(bilateral_sxy=40, filter="grid")
        >>> crf(logits, images, iterations=3).shape
        (8, 240, 320, 21)

    Source: Kraehenbuehl and Koltun 2011, arXiv:1210.5644; Zheng et al. 2015, arXiv:1502.03240
    (training). Defaults are those of the first's examples.
    """

    # float16 and int8 artefacts leave it as it is, also where it is part of the network
    always_float32 = True

    def __init__(
        self,
        spatial_sxy=3.0,
        spatial_weight=3.0,
        bilateral_sxy=80.0,
        bilateral_srgb=13.0,
        bilateral_weight=10.0,
        per_class=False,
        compatibility="potts",
        compatibility_values=None,
        learn_compatibility=True,
        filter="permutohedral",
        filter_options=None,
        iterations=10,
        training_iterations=5,
        **kwargs,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.spatial_sxy = check_bandwidth(spatial_sxy, "spatial_sxy")
        self.bilateral_sxy = check_bandwidth(bilateral_sxy, "bilateral_sxy")
        self.bilateral_srgb = check_bandwidth(bilateral_srgb, "bilateral_srgb")
        self.spatial_weight = _numbers(spatial_weight, "spatial_weight", (0, 1))
        self.bilateral_weight = _numbers(bilateral_weight, "bilateral_weight", (0, 1))
        self.per_class = bool(per_class)
        if compatibility not in _COMPATIBILITIES:
            raise ValueError(
                f"`compatibility` must be one of {_COMPATIBILITIES}. "
                f"Received: compatibility={compatibility!r}."
            )
        self.compatibility = compatibility
        self.compatibility_values = _energies(compatibility_values, compatibility)
        self.learn_compatibility = bool(learn_compatibility)
        self.filter = filter
        self.filter_options = dict(filter_options or {})
        self.iterations = _positive(iterations, "iterations")
        self.training_iterations = _positive(training_iterations, "training_iterations")
        self._spatial = SpatialFilter(self.spatial_sxy)
        self._bilateral = bilateral_filter(
            filter, self.bilateral_sxy, self.bilateral_srgb, **self.filter_options
        )

    def build(self, logits_shape, images_shape=None):
        num_classes = logits_shape[-1]
        if num_classes is None:
            raise ValueError(
                "`logits` must have a known number of classes, their last dimension. "
                f"Received: shape {tuple(logits_shape)}."
            )
        self.num_classes = num_classes
        self.spatial_kernel = self._weight("spatial_weight", num_classes)
        self.bilateral_kernel = self._weight("bilateral_weight", num_classes)
        self.energies = None
        if self.compatibility != "potts":
            self.energies = self._energies(num_classes)

    def _weight(self, name, num_classes):
        value = getattr(self, name)
        if isinstance(value, list):
            _check_shape(np.shape(value), (num_classes,), name)
        return self.add_weight(
            name=name,
            shape=(num_classes,) if self.per_class or isinstance(value, list) else (),
            initializer=_constant(value),
        )

    def _energies(self, num_classes):
        shape = (num_classes,) * (1 if self.compatibility == "diagonal" else 2)
        start = self.compatibility_values
        if start is None:
            start = -np.ones(shape) if len(shape) == 1 else 1.0 - np.eye(num_classes)
        _check_shape(np.shape(start), shape, "compatibility_values")
        return self.add_weight(
            name="compatibility",
            shape=shape,
            initializer=_constant(start),
            trainable=self.learn_compatibility,
        )

    def call(self, logits, images, iterations=None, training=None):
        _check_inputs(logits, images)
        if iterations is None:
            iterations = self.training_iterations if training else self.iterations
        iterations = _positive(iterations, "iterations")
        kernels = [
            (symmetric_normalization(self._spatial, images), self.spatial_kernel),
            (symmetric_normalization(self._bilateral, images), self.bilateral_kernel),
        ]
        return mean_field(logits, kernels, self.energies, iterations)

    def with_filter(self, filter, **filter_options):
        """A layer with the weights and energies of this one and another filter.

        Train with an accurate filter, then export with one that devices can run:
        `model.with_decoder(crf=model.crf.with_filter("grid"))`.
        """
        config = {**self.get_config(), "filter": filter, "filter_options": filter_options}
        other = type(self).from_config(config)
        if self.built:
            other.build((None, None, None, self.num_classes))
            other.set_weights(self.get_weights())
        return other

    def compute_output_shape(self, logits_shape, images_shape=None):
        return logits_shape

    def get_config(self):
        return {**super().get_config(), **{name: getattr(self, name) for name in _ARGUMENTS}}


_ARGUMENTS = (
    *("spatial_sxy", "spatial_weight", "bilateral_sxy", "bilateral_srgb", "bilateral_weight"),
    *("per_class", "compatibility", "compatibility_values", "learn_compatibility"),
    *("filter", "filter_options", "iterations", "training_iterations"),
)


def _constant(value):
    def initialize(shape, dtype=None):
        return ops.convert_to_tensor(np.broadcast_to(value, shape), dtype)

    return initialize


def _positive(value, name):
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}.")
    return int(value)


def _numbers(value, name, dimensions):
    """A float, or floats in lists as they go into a configuration."""
    try:
        array = np.asarray(value, "float64")
    except (TypeError, ValueError):
        array = np.full((), np.nan)
    if array.ndim not in dimensions or not np.isfinite(array).all():
        raise ValueError(
            f"`{name}` must hold finite numbers in {' or '.join(map(str, dimensions))} "
            f"dimensions. Received: {name}={value!r}."
        )
    return array.tolist()


def _energies(values, compatibility):
    if values is None:
        return None
    if compatibility == "potts":
        raise ValueError(
            "`compatibility_values` must be None for compatibility='potts'. Received: "
            f"compatibility_values={values!r}. Give them to 'diagonal' or 'full'."
        )
    return _numbers(values, "compatibility_values", (_COMPATIBILITIES.index(compatibility),))


def _check_shape(found, expected, name):
    if tuple(found) != expected:
        raise ValueError(
            f"`{name}` must have shape {expected} for logits of {expected[0]} classes. "
            f"Received: shape {tuple(found)}."
        )


def _check_inputs(logits, images):
    if tuple(logits.shape[1:3]) != tuple(images.shape[1:3]) or len(images.shape) != 4:
        raise ValueError(
            "`images` (B, H, W, F) must have the size of `logits` (B, H, W, C). Received: images "
            f"of shape {tuple(images.shape)}, logits of shape {tuple(logits.shape)}. Resize the "
            "logits first."
        )
    wrong = known_int(ops.sum(ops.cast(ops.logical_not(logits < float("inf")), "int32")))
    if wrong:
        raise ValueError(
            "`logits` must be numbers below infinity. Received: logits with NaN or infinity, "
            f"{wrong} of {math.prod(logits.shape)} values. One such pixel would spread over the "
            "whole image."
        )
