"""The augmentation SSD was trained with: expand, sample a patch, distort colours, mirror."""

import dataclasses

import tensorflow as tf

from keras_struct.data.distortion import Augmentation, check_ranges, fold, uniform

TRIALS = 50
MIN_OVERLAPS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.0)


@dataclasses.dataclass(frozen=True)
class SSDAugmentation(Augmentation):
    """SSD's augmentation, and how strong it is.

    In half of the cases the image is put at random into a canvas up to `expand` times its size,
    filled with the mean colour. Then one of seven options, all equally likely among those that
    succeed, chooses a patch: the whole canvas, a patch that overlaps an object by an IoU of at
    least 0.1, 0.3, 0.5, 0.7 or 0.9, or any patch. Patches are tried 50 times; a patch holds the
    centre of at least one object, and objects with their centre outside are dropped, the others
    clipped. Colours and mirroring follow, each with probability 1/2.

    The object is plain data: `SSDAugmentation(**augmentation.get_config())` is its equal.

    Args:
        expand: float >= 1, largest side of the canvas in sides of the image; 1 never expands.
        min_scale: float in (0, 1], smallest patch: square root of its share of the canvas' area.
            1 never crops.
        photometric: float in [0, 1], strength of the colour distortion; 1 is SSD's (brightness
            +-32, contrast and saturation 0.5-1.5, hue +-18 degrees), 0 none.
        flip: mirror left and right.
        vertical_flip: mirror top and bottom (not in SSD; for images without an up).

    Raises:
        ValueError: where a number is out of its range.

    Source: Liu et al. 2016, arXiv:1512.02325, section 2.2 and 3.6, and the authors' Caffe code.
        Deviations: all options share the same 50 patches; patches have whole pixels; colours are
        turned and scaled linearly in YIQ, not in HSV. A linear map commutes with bilinear
        resizing, so it runs on the few pixels of the network input, at a sixth of the price.
    """

    expand: float = 4.0
    min_scale: float = 0.3
    photometric: float = 1.0
    flip: bool = True
    vertical_flip: bool = False

    def __post_init__(self):
        rules = {
            "expand": ("a number of at least 1", self.expand >= 1),
            "min_scale": ("a number above 0 and up to 1", 0 < self.min_scale <= 1),
            "photometric": ("a number from 0 to 1", 0 <= self.photometric <= 1),
        }
        check_ranges(self, rules)

    def window(self, seed, head, image_size, resize):
        """See `Augmentation.window`."""
        return self.choose_window(seed, head["size"], head["boxes"])

    def choose_window(self, seed, size, boxes):
        """Choose what part of the image is shown.

        Args:
            seed: (2,) int32.
            size: (2,) int32 (height, width) of the image.
            boxes: (N, 4) float32 xyxy, pixels of the image.

        Returns:
            window: (4,) int32 (y, x, height, width); it may reach beyond the image.
            kept: (N,) bool, boxes with their centre in the window.
        """
        draws = uniform(fold(seed, 1), (TRIALS + 3, 4))
        canvas = self._canvas(draws[0], size)
        windows = self._patches(draws[3:], canvas)
        inside = centres_inside(windows, boxes)
        overlaps = tf.where(inside, overlaps_of(windows, boxes), -1.0)
        best = tf.reduce_max(tf.pad(overlaps, [[0, 0], [0, 1]], constant_values=-1.0), 1)
        succeeded = best[None, :] >= tf.constant(MIN_OVERLAPS)[:, None]
        available = tf.concat([[True], tf.reduce_any(succeeded, 1)], 0)
        lottery = tf.concat([draws[1], draws[2]], 0)[: len(MIN_OVERLAPS) + 1]
        option = tf.argmax(tf.where(available, lottery, -1.0))
        first = 1 + tf.argmax(tf.cast(succeeded, tf.int32), 1)
        place = tf.pad(first, [[1, 0]])[option]
        window = tf.concat([canvas[None], windows], 0)[place]
        return window, centres_inside(window[None], boxes)[0]

    def _canvas(self, draws, size):
        sides = tf.cast(size, tf.float32)
        ratio = tf.where(draws[0] < 0.5, 1.0 + draws[1] * (self.expand - 1.0), 1.0)
        canvas = tf.cast(sides * ratio, tf.int32)
        origin = tf.cast(tf.cast(canvas - size, tf.float32) * draws[2:], tf.int32)
        return tf.concat([-origin, canvas], 0)

    def _patches(self, draws, canvas):
        sides = tf.cast(canvas[2:], tf.float32)
        scale = self.min_scale + draws[:, 0] * (1.0 - self.min_scale)
        low, high = tf.maximum(0.5, scale**2), tf.minimum(2.0, scale**-2)
        aspect = tf.sqrt(low + draws[:, 1] * (high - low))
        shares = tf.stack([scale / aspect, scale * aspect], 1)
        extent = tf.clip_by_value(tf.cast(shares * sides, tf.int32), 1, canvas[2:])
        room = tf.cast(canvas[2:] - extent, tf.float32)
        return tf.concat([canvas[:2] + tf.cast(room * draws[:, 2:], tf.int32), extent], 1)


def centres_inside(windows, boxes):
    """(T, N) bool: which boxes (N, 4) xyxy have their centre in which windows (T, 4) yxhw."""
    low, high = _edges(windows)
    centres = (boxes[None, :, :2] + boxes[None, :, 2:]) / 2.0
    return tf.reduce_all((centres > low) & (centres < high), -1)


def overlaps_of(windows, boxes):
    """(T, N) float32: IoU of windows (T, 4) yxhw and boxes (N, 4) xyxy."""
    low, high = _edges(windows)
    shared = tf.minimum(high, boxes[None, :, 2:]) - tf.maximum(low, boxes[None, :, :2])
    shared = tf.reduce_prod(tf.maximum(shared, 0.0), -1)
    areas = tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], -1)[None]
    return shared / (tf.reduce_prod(high - low, -1) + areas - shared)


def _edges(windows):
    windows = tf.cast(windows, tf.float32)
    low = windows[:, 1::-1]
    return low[:, None], (low + windows[:, :1:-1])[:, None]
