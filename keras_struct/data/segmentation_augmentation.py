"""The augmentation of label maps: scale, crop, pad, mirror, distort colours."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_struct.data.augmentation import centres_inside
from keras_struct.data.distortion import Augmentation, check_ranges, fold, uniform
from keras_struct.ops.labels import IGNORED
from keras_struct.ops.sizes import image_sides

_RELATIVE_TO = ("input", "image")


@dataclasses.dataclass(frozen=True)
class SegmentationAugmentation(Augmentation):
    """Random scale and crop for label maps, and how strong they are.

    The image is scaled by a factor from `scale`, and a crop of the network input's size is taken
    at a random place. Where the image is smaller than the crop it lies at a random place in it;
    the rest is the mean colour, and its label 255, to be ignored. Mirroring follows with
    probability 1/2, and distorted colours as in `SSDAugmentation`. Pixels are moved once: bilinear
    those of the image, the nearest those of the label map, both with half-pixel centres.

    The object is plain data: `SegmentationAugmentation(**augmentation.get_config())` is its equal.

    Args:
        scale: (low, high), factors on the size of the image.
        relative_to: "input": 1 is the size at which evaluation shows the whole image in the
            network input, whatever its own size; an int or (height, width): the same for a network
            input of that size, of which the crops are a part; "image": 1 is the size of the image
            itself.
        focus: float in [0, 1], probability that the crop holds a pixel of a class drawn at random
            among those in the image, so that a rare class is seen as often as a common one.
        focus_labels: the labels drawn from, or None for all.
        photometric: float in [0, 1], strength of the colour distortion; 0 is none.
        flip: mirror left and right.
        vertical_flip: mirror top and bottom, for images without an up.

    Raises:
        ValueError: where a value is out of its range.

    Source: Chen et al. 2018, arXiv:1606.00915, section 4 (scales 0.5 to 1.5, later 2; mirroring).
    """

    scale: tuple[float, float] = (0.5, 2.0)
    relative_to: str | int | tuple[int, int] = "input"
    focus: float = 0.0
    focus_labels: tuple[int, ...] | None = None
    photometric: float = 1.0
    flip: bool = True
    vertical_flip: bool = False

    def __post_init__(self):
        # JSON knows no tuples, and equals must be equal
        for name in ("scale", "focus_labels", "relative_to"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)
        labels = self.focus_labels
        rules = {
            "scale": ("two numbers, 0 < low <= high", _is_range(self.scale)),
            "relative_to": (f"one of {_RELATIVE_TO} or a size", _is_reference(self.relative_to)),
            "focus": ("a number from 0 to 1", 0 <= self.focus <= 1),
            "focus_labels": (
                "None or labels from 0 to 254",
                labels is None or (labels and all(label in range(IGNORED) for label in labels)),
            ),
            "photometric": ("a number from 0 to 1", 0 <= self.photometric <= 1),
        }
        check_ranges(self, rules)

    def window(self, seed, head, image_size, resize):
        """See `Augmentation.window`."""
        draws = uniform(fold(seed, 1), (4,))
        low, high = self.scale
        size, factor = head["size"], low + draws[0] * (high - low)
        extent = self._extent(tf.cast(size, tf.float32), image_size, resize) / factor
        extent = tf.maximum(1, tf.cast(extent + 0.5, tf.int32))
        least, most = tf.minimum(0, size - extent), tf.maximum(0, size - extent)
        origin = least + tf.cast(draws[1:3] * tf.cast(most - least + 1, tf.float32), tf.int32)
        if self.focus > 0:
            focused = lambda: self._focused(seed, head, origin, extent)  # noqa: E731
            origin = tf.cond(draws[3] < self.focus, focused, lambda: origin)
        window = tf.concat([tf.clip_by_value(origin, least, most), extent], 0)
        return window, centres_inside(window[None], head["boxes"])[0]

    def _extent(self, size, image_size, resize):
        """(height, width) in the image of a crop at scale 1."""
        sides = tf.constant(image_size, tf.float32)
        if self.relative_to == "image":
            return sides
        shown = image_size if self.relative_to == "input" else image_sides(self.relative_to)
        ratios = size / tf.constant(shown, tf.float32)
        return sides * (ratios if resize == "stretch" else tf.reduce_max(ratios))

    def _focused(self, seed, head, origin, extent):
        """Origin of a crop around a pixel of a class; as it was where no class can be drawn."""
        if "segmentation_masks" not in head:
            raise ValueError(
                f"`focus` must be 0 without label maps. Received: focus={self.focus}. "
                'Ask for them with fields=("segmentation_masks", ...).'
            )
        labels = head["segmentation_masks"][..., 0]
        allowed = range(IGNORED) if self.focus_labels is None else self.focus_labels
        counts = tf.math.bincount(tf.reshape(tf.cast(labels, tf.int32), [-1]), minlength=256)
        possible = (counts[:IGNORED] > 0) & np.isin(range(IGNORED), list(allowed))
        label = tf.argmax(tf.where(possible, uniform(fold(seed, 4), (IGNORED,)), -1.0))
        rows = tf.where(labels == tf.cast(label, labels.dtype))
        draws = uniform(fold(seed, 5), (3,))
        row = tf.cast(draws[0] * tf.cast(tf.shape(rows)[0], tf.float32), tf.int32)
        place = tf.cast(draws[1:] * tf.cast(extent, tf.float32), tf.int32)
        around = lambda: tf.cast(rows[row], tf.int32) - place  # noqa: E731
        return tf.cond(tf.reduce_any(possible), around, lambda: origin)


def _is_range(scale):
    return isinstance(scale, tuple) and len(scale) == 2 and 0 < scale[0] <= scale[1]


def _is_reference(value):
    if isinstance(value, str):
        return value in _RELATIVE_TO
    try:
        return bool(image_sides(value))
    except ValueError:
        return False
