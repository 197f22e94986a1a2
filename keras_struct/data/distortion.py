"""What augmentations share: random numbers, mirroring, and distorted colours."""

import abc
import dataclasses
import math

import numpy as np
import tensorflow as tf

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = 32.0, 0.5, 0.5, math.radians(18)
_TO_YIQ = np.float32(
    [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]
)
_TO_RGB = np.linalg.inv(_TO_YIQ.astype("float64")).astype("float32")


class Augmentation(abc.ABC):
    """Base of augmentations that choose first and move pixels once.

    Subclasses are frozen dataclasses with `photometric`, `flip` and `vertical_flip` among their
    fields, so that `type(a)(**a.get_config())` is the equal of `a`. All they draw is a function of
    a seed, (2,) int32.
    """

    def get_config(self) -> dict:
        """The arguments as a dict of plain data, ready for JSON."""
        return dataclasses.asdict(self)

    # Keras' own layers (RandomFlip, RandomHue, ...) can be driven with a seed, but each crops,
    # flips or converts a whole image of its own, RandomHue draws sign and size from the same
    # number, and there is none that samples patches. Choosing first and moving pixels once is
    # what keeps the pipeline ahead of the training step.
    @abc.abstractmethod
    def window(self, seed, head, image_size, resize):
        """Choose what part of the image is shown.

        Args:
            seed: (2,) int32.
            head: dict of one sample: "size" (2,) int32 (height, width), "boxes" (N, 4) float32
                xyxy pixels, and the fields asked for.
            image_size: (height, width) of the network input, pixels.
            resize: "stretch" or "letterbox", how the window will come to this size.

        Returns:
            window: (4,) int32 (y, x, height, width); it may reach beyond the image.
            kept: (N,) bool, the boxes to keep.
        """

    def choose_flip(self, seed):
        """(2,) bool, whether to mirror (vertically, horizontally)."""
        return (uniform(fold(seed, 2), (2,)) < 0.5) & tf.constant([self.vertical_flip, self.flip])

    def distort(self, seed, pixels):
        """Distort the colours of pixels (H, W, 3) float32 0..255."""
        if self.photometric == 0:
            return pixels
        matrix, offset = colour_map(fold(seed, 3), self.photometric)
        shape = tf.shape(pixels)
        flat = tf.matmul(tf.reshape(pixels, (-1, 3)), matrix, transpose_b=True) + offset
        return tf.clip_by_value(tf.reshape(flat, shape), 0.0, 255.0)


def colour_map(seed, strength: float):
    """Random linear colour map: matrix (3, 3) and offset (3,), out = matrix @ rgb + offset."""
    draws = uniform(seed, (2, 4))
    amount = tf.where(draws[0] < 0.5, (2.0 * draws[1] - 1.0) * strength, 0.0)
    contrast = 1.0 + _CONTRAST * amount[1]
    chroma = 1.0 + _SATURATION * amount[2]
    cosine, sine = tf.cos(_HUE * amount[3]) * chroma, tf.sin(_HUE * amount[3]) * chroma
    zero, one = tf.zeros(()), tf.ones(())
    turn = tf.reshape(tf.stack([one, zero, zero, zero, cosine, -sine, zero, sine, cosine]), (3, 3))
    matrix = contrast * tf.matmul(tf.constant(_TO_RGB), tf.matmul(turn, tf.constant(_TO_YIQ)))
    return matrix, tf.fill((3,), contrast * _BRIGHTNESS * amount[0])


def check_ranges(augmentation, rules: dict) -> None:
    """Raise ValueError for the first field that breaks its rule, of {name: (rule, holds)}."""
    for name, (rule, holds) in rules.items():
        if not holds:
            value = getattr(augmentation, name)
            raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")


def fold(seed, number):
    """A seed of its own for each number."""
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32))


def uniform(seed, shape):
    """Float32 from 0 to 1; a named algorithm, as "auto_select" may differ between devices."""
    return tf.random.stateless_uniform(shape, seed, alg="philox")
