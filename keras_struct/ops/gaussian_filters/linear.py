"""Symmetric linear maps: their gradient and their normalisation."""

from keras import ops

_LEAST = 0.5


def self_adjoint(function, values):
    """Apply a linear map that equals its own transpose.

    The gradient is then the map itself, so that nothing is kept for it: differentiating through
    the inside of a brute-force filter would keep all pairs of pixels.

    Args:
        function: tensor -> tensor of the same shape, linear and symmetric.
        values: its argument.

    Returns:
        function(values), with the gradient function(upstream).
    """

    @ops.custom_gradient
    def run(inputs):
        def gradient(*arguments, upstream=None):
            return function(arguments[0] if upstream is None else upstream)

        return function(inputs), gradient

    return run(values)


def symmetric_normalization(kernel_filter, images):
    """Bind a Gaussian filter to images, as D^-1/2 K D^-1/2 with D = K 1.

    Args:
        kernel_filter: with `build(images)` and `apply(state, values)`; where it has a short cut
            for values of 1, with `sums(state)`.
        images: (B, H, W, F) float, 0..255.

    Returns:
        function: values (B, H, W, C) -> (B, H, W, C).

    Source: Kraehenbuehl and Koltun 2013, "Parameter learning and convergent inference for dense
    random fields", section 3; pydensecrf's default.
    """
    state = kernel_filter.build(images)
    if hasattr(kernel_filter, "sums"):
        sums = kernel_filter.sums(state)
    else:
        sums = kernel_filter.apply(state, ops.ones_like(ops.cast(images[..., :1], "float32")))
    # Every pixel is its own neighbour, by 1: an approximation may lose it among large sums.
    sums = ops.maximum(sums, _LEAST)
    scale = ops.rsqrt(sums)
    return lambda values: scale * kernel_filter.apply(state, scale * values)
