"""Smooth random deformations, for tissue, cells and all that bends."""

import dataclasses

import tensorflow as tf

from keras_struct.data.distortion import check_ranges, fold


@dataclasses.dataclass(frozen=True)
class ElasticDeformation:
    """Move pixels by random vectors on a coarse grid, interpolated between.

    It is a function (sample, seed) -> sample for `augment` of `Dataset.batches`. Images are sampled
    bilinearly and label maps by the nearest pixel, both mirrored at the borders. Boxes move with
    "instance_masks"; without these they are dropped.

    Args:
        grid: int >= 2, points of the grid on each axis; the outer ones lie on the borders.
        sigma: float >= 0, pixels, standard deviation of each component of the vectors.

    Call arguments:
        sample: dict with "images" (H, W, 3) float32 and what is asked for of "segmentation_masks"
            (H, W, 1), "instance_masks" (N, H, W) and "bounding_boxes".
        seed: (2,) int32.

    Returns:
        A new dict of the same fields.

    Raises:
        ValueError: if a number is out of its range, or samples have keypoints, which cannot follow.

    Example:
        train.batches(8, 572, augment=ElasticDeformation(), fields=("segmentation_masks",))

    Source: Ronneberger et al. 2015, arXiv:1505.04597, section 3.1.
    """

    grid: int = 3
    sigma: float = 10.0

    def __post_init__(self):
        rules = {
            "grid": ("an integer of at least 2", type(self.grid) is int and self.grid >= 2),
            "sigma": ("a number of at least 0", self.sigma >= 0),
        }
        check_ranges(self, rules)

    def __call__(self, sample: dict, seed) -> dict:
        """Deform one sample; see the class."""
        if "keypoints" in sample:
            raise ValueError(
                "`fields` must leave out 'keypoints': points cannot follow an elastic deformation."
            )
        size = tf.shape(sample["images"])[:2]
        places = self.places(seed, size)
        deformed = {**sample, "images": sample_at(sample["images"], places)}
        if "segmentation_masks" in sample:
            deformed["segmentation_masks"] = nearest_at(sample["segmentation_masks"], places)
        labels = tf.fill(tf.shape(sample["bounding_boxes"]["labels"]), -1)
        boxes = sample["bounding_boxes"]["boxes"]
        if "instance_masks" in sample:
            masks = tf.transpose(sample["instance_masks"], (1, 2, 0))
            masks = tf.transpose(nearest_at(masks, places), (2, 0, 1))
            boxes, seen = boxes_around(masks)
            labels = tf.where(seen, sample["bounding_boxes"]["labels"], -1)
            deformed["instance_masks"] = masks
        return {**deformed, "bounding_boxes": {"boxes": boxes, "labels": labels}}

    def places(self, seed, size):
        """(H, W, 2) float32 (y, x), where in the image each pixel comes from."""
        shape = (self.grid, self.grid, 2)
        vectors = self.sigma * tf.random.stateless_normal(shape, fold(seed, 1), alg="philox")
        rows, columns = (cubic_weights(size[axis], self.grid) for axis in (0, 1))
        moved = tf.einsum("hi,wj,ijc->hwc", rows, columns, vectors)
        y, x = tf.meshgrid(tf.range(size[0]), tf.range(size[1]), indexing="ij")
        return tf.cast(tf.stack([y, x], -1), tf.float32) + moved


def cubic_weights(size, points: int):
    """(size, points) weights of cubic interpolation (Keys, a = -1/2) between points on an axis.

    The outer points lie on the first and the last pixel, and go on for ever beyond.
    """
    places = tf.linspace(0.0, float(points - 1), size)
    first = tf.floor(places)
    weights = tf.zeros((size, points))
    for step in (-1, 0, 1, 2):
        distance = tf.abs(places - first - step)
        near = (1.5 * distance - 2.5) * distance**2 + 1
        far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
        part = tf.where(distance < 1, near, tf.where(distance < 2, far, 0.0))
        point = tf.clip_by_value(tf.cast(first, tf.int32) + step, 0, points - 1)
        weights += part[:, None] * tf.one_hot(point, points)
    return weights


def sample_at(image, places):
    """Bilinear values of an image (H, W, C) float32 at (h, w, 2) places, mirrored outside."""
    corner = tf.floor(places)
    part = places - corner
    total = 0.0
    for down in (0.0, 1.0):
        for right in (0.0, 1.0):
            step = tf.constant([down, right])
            weights = tf.abs(1 - step - part)
            values = nearest_at(image, corner + step)
            total += tf.reduce_prod(weights, -1, keepdims=True) * values
    return total


def nearest_at(image, places):
    """Values of an image (H, W, C) at the pixels nearest to (h, w, 2) places, mirrored outside."""
    last = tf.maximum(tf.shape(image)[:2] - 1, 1)
    pixels = tf.math.floormod(tf.cast(tf.floor(places + 0.5), tf.int32), 2 * last)
    pixels = tf.minimum(last - tf.abs(pixels - last), tf.shape(image)[:2] - 1)
    return tf.gather_nd(image, pixels)


def boxes_around(masks):
    """Boxes (N, 4) float32 xyxy around masks (N, H, W), and (N,) bool, whether there is any."""
    sides = []
    for axis in (1, 2):  # over rows: the columns that are covered
        covered = tf.reduce_any(masks > 0, axis)
        places = tf.range(tf.shape(covered)[1])
        low = tf.reduce_min(tf.where(covered, places, tf.shape(covered)[1]), 1)
        high = tf.reduce_max(tf.where(covered, places + 1, 0), 1)
        sides.append((tf.cast(low, tf.float32), tf.cast(high, tf.float32)))
    (left, right), (top, bottom) = sides
    seen = right > left
    boxes = tf.where(seen[:, None], tf.stack([left, top, right, bottom], 1), 0.0)
    return boxes, seen
