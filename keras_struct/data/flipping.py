"""Keypoints under mirroring: a mirrored left eye is a right eye."""

import tensorflow as tf

from keras_struct.data.resize import map_points

_PAIRS = {0: ("top", "bottom"), 1: ("left", "right")}


def flip_partners(names, axis: int) -> list[int]:
    """Index of the keypoint each keypoint turns into when mirrored.

    Partners are found by name: "left" and "right" change places when `axis` is 1, "top" and
    "bottom" when it is 0, wherever they stand between underscores ("left_eye").
    """
    first, second = _PAIRS[axis]
    swap = {first: second, second: first}
    mirrored = ["_".join(swap.get(word, word) for word in name.split("_")) for name in names]
    places = {name: position for position, name in enumerate(names)}
    return [places.get(name, position) for position, name in enumerate(mirrored)]


def flip_keypoints(keypoints, geometry, names):
    """Map keypoints (N, J, 3) of (x, y, visibility) to network pixels.

    Those that leave the content get visibility 0; where that is 0, x and y are 0 as well.
    """
    points = map_points(keypoints[..., :2], geometry)
    for axis in (0, 1):
        order = tf.constant(flip_partners(names, axis), tf.int32)
        swapped = tf.cond(
            geometry.flip[axis], lambda order=order: order, lambda: tf.range(len(names))
        )
        points = tf.gather(points, swapped, axis=1)
        keypoints = tf.gather(keypoints, swapped, axis=1)
    limit = tf.cast(geometry.content[::-1], tf.float32)
    seen = tf.reduce_all((points >= 0.0) & (points <= limit), -1, keepdims=True)
    seen &= keypoints[..., 2:] > 0.0
    return tf.where(seen, tf.concat([points, keypoints[..., 2:]], -1), 0.0)
