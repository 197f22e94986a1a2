"""Pixels as points: position and colour, each in units of its bandwidth."""

import numpy as np
from keras import ops

LARGEST_COLOUR = 255.0


def bilateral_features(images, sxy: float, srgb: float):
    """Position and colour of every pixel in standard deviations.

    exp(-|f_i - f_j|^2 / 2) of these is the bilateral kernel. They carry no gradient: the kernel is
    a property of the photo.

    Args:
        images: (B, H, W, F) float, 0..255; what lies outside is clipped.
        sxy: float > 0, standard deviation of positions, pixels.
        srgb: float > 0, standard deviation of colours, grey levels.

    Returns:
        (B, H, W, 2 + F) float32: row, column, colours.
    """
    colours = scaled_colours(images, srgb)
    height, width = images.shape[1:3]
    places = np.stack(np.mgrid[:height, :width], axis=-1).astype("float32") / sxy
    places = ops.zeros_like(colours[..., :1]) + ops.convert_to_tensor(places)
    return ops.concatenate([places, colours], axis=-1)


def scaled_colours(images, srgb: float):
    """Colours (B, H, W, F) in standard deviations, without gradient."""
    colours = ops.clip(ops.cast(images, "float32"), 0.0, LARGEST_COLOUR)
    return ops.stop_gradient(colours) / srgb


def check_bandwidth(value, name: str) -> float:
    """Return a standard deviation as a float.

    Raises:
        ValueError: if it is not a positive number.
    """
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ValueError(
            f"`{name}` must be a positive number, a standard deviation in pixels (sxy) or grey "
            f"levels (srgb). Received: {name}={value!r}."
        )
    return float(value)
