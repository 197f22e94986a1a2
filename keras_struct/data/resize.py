"""Geometry between an original image and the network input: crop, scale, pad, flip.

Everything is a rectangle of whole pixels, (y, x, height, width):

    region   of the original image, the pixels that are used
    target   of the network input, where the region lands
    content  (height, width) of the network input that is not letterbox filling

A point goes  net = (original - region.origin) * target.size / region.size + target.origin,  so
boxes follow the pixels exactly, whatever was rounded on the way.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_struct.ops.sizes import image_sides

RESIZE_MODES = ("stretch", "letterbox")
PAD_VALUE = 114.0
MEAN_FILL = (123.0, 117.0, 104.0)


class Geometry(NamedTuple):
    """How one original image lands in the network input; see the head of this file."""

    region: tf.Tensor
    target: tf.Tensor
    content: tf.Tensor
    flip: tf.Tensor


def check_resize(resize: str) -> str:
    """Return `resize`, or raise ValueError where it is no known mode."""
    if resize not in RESIZE_MODES:
        raise ValueError(f"`resize` must be one of {RESIZE_MODES}. Received: resize={resize!r}.")
    return resize


def content_size(height: int, width: int, image_size, resize: str) -> tuple[int, int]:
    """Size (height, width) in network pixels of a resized image, without its filling."""
    check_resize(resize)
    sides = image_sides(image_size)
    if resize == "stretch":
        return sides
    # float32 throughout, as `content_tensor` does
    size = np.float32([height, width])
    scale = (np.float32(sides) / size).min()
    height, width = size * scale + np.float32(0.5)
    return max(1, int(height)), max(1, int(width))


def to_network(boxes, size: tuple[int, int], image_size, resize: str) -> np.ndarray:
    """Map boxes (N, 4) xyxy from original pixels to network pixels.

    Args:
        boxes: (N, 4) xyxy, pixels of the original image.
        size: (height, width) of the original image, pixels.
        image_size: int or (height, width), pixels of the network input.
        resize: "stretch" or "letterbox".

    Returns:
        (N, 4) float32.

    Raises:
        ValueError: where `image_size` is no size, or `resize` is unknown.
    """
    return np.asarray(boxes, "float32").reshape(-1, 4) * _scales(size, image_size, resize)


def to_original(
    boxes, size: tuple[int, int], image_size, resize: str, clip: bool = True
) -> np.ndarray:
    """Map boxes (N, 4) xyxy from network pixels back to original pixels.

    The inverse of `to_network`, with the same arguments.

    Args:
        boxes: (N, 4) xyxy, pixels of the network input.
        size: (height, width) of the original image, pixels.
        image_size: int or (height, width), pixels of the network input.
        resize: "stretch" or "letterbox".
        clip: whether to clip them to the image. What lies in a box, its mask, needs it whole.
    """
    boxes = np.asarray(boxes, "float32").reshape(-1, 4) / _scales(size, image_size, resize)
    limits = np.float32([size[1], size[0], size[1], size[0]])
    return np.clip(boxes, 0, limits) if clip else boxes


def _scales(size, image_size, resize):
    new_height, new_width = content_size(size[0], size[1], image_size, resize)
    sx, sy = new_width / size[1], new_height / size[0]
    return np.float32([sx, sy, sx, sy])


def content_tensor(size: tf.Tensor, image_size, resize: str) -> tf.Tensor:
    """`content_size` for tensors: size (2,) int32 -> (2,) int32."""
    sides = image_sides(image_size)
    if resize == "stretch":
        return tf.constant(sides, tf.int32)
    size = tf.cast(size, tf.float32)
    scale = tf.reduce_min(tf.constant(sides, tf.float32) / size)
    return tf.maximum(1, tf.cast(size * scale + 0.5, tf.int32))


def window_geometry(window, size, image_size, resize: str, flip=None) -> Geometry:
    """Geometry that shows a window of the original image in the network input.

    Args:
        window: (4,) int32 (y, x, height, width) in pixels of the original image. It may reach
            beyond the image; it must share at least one pixel with it.
        size: (2,) int32 (height, width) of the original image.
        image_size: int or (height, width), pixels of the network input.
        resize: "stretch" or "letterbox", applied to the window.
        flip: (2,) bool, mirror (vertically, horizontally), or None.
    """
    content = content_tensor(window[2:], image_size, resize)
    start = tf.maximum(window[:2], 0)
    stop = tf.minimum(window[:2] + window[2:], size)
    scale = tf.cast(content, tf.float32) / tf.cast(window[2:], tf.float32)
    first = _round((tf.cast(start - window[:2], tf.float32)) * scale)
    last = _round((tf.cast(stop - window[:2], tf.float32)) * scale)
    # a sliver of the image still gets its pixel: an empty target would divide by zero below
    first = tf.minimum(first, content - 1)
    extent = tf.maximum(1, tf.minimum(last, content) - first)
    flip = tf.zeros((2,), tf.bool) if flip is None else flip
    return Geometry(
        region=tf.concat([start, stop - start], 0),
        target=tf.concat([first, extent], 0),
        content=content,
        flip=flip,
    )


def full_geometry(size, image_size, resize: str) -> Geometry:
    """Geometry of the whole image, unflipped: what evaluation and the edge runtime see."""
    window = tf.concat([tf.zeros((2,), tf.int32), size], 0)
    return window_geometry(window, size, image_size, resize)


def map_points(points: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Map points (..., 2) of (x, y) from original to network pixels."""
    region, target = (tf.cast(part, tf.float32) for part in (geometry.region, geometry.target))
    content = tf.cast(geometry.content, tf.float32)
    scale = target[2:] / region[2:]
    yx = (points[..., ::-1] - region[:2]) * scale + target[:2]
    return tf.where(geometry.flip, content - yx, yx)[..., ::-1]


def map_boxes(boxes: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Map boxes (N, 4) xyxy to network pixels and clip them to the content."""
    corners = map_points(tf.reshape(boxes, (-1, 2, 2)), geometry)
    limit = tf.cast(geometry.content[::-1], tf.float32)
    corners = tf.clip_by_value(corners, 0.0, limit)
    # mirroring swaps the low and the high corner
    return tf.concat([tf.reduce_min(corners, 1), tf.reduce_max(corners, 1)], 1)


def place(pixels: tf.Tensor, geometry: Geometry, method: str = "bilinear") -> tf.Tensor:
    """Mirror and scale the pixels of a region to the size of its target.

    Args:
        pixels: (h, w, C), the region cut out of the original image.
        geometry: the geometry the region belongs to.
        method: "bilinear" (gives float32) or "nearest" (keeps the dtype); half-pixel centres.
    """
    known = tf.get_static_value(geometry.flip)
    if known is None or known.any():
        dims = tf.concat([geometry.flip, [False]], 0)
        pixels = tf.raw_ops.Reverse(tensor=pixels, dims=dims)
    if method == "bilinear":
        return tf.image.resize(pixels, geometry.target[2:], antialias=False)
    # TensorFlow's nearest resize refuses images without a channel: those of no object
    for axis in (0, 1):
        pixels = tf.gather(pixels, _nearest(geometry, axis), axis=axis)
    return pixels


def _nearest(geometry, axis):
    have, want = geometry.region[2 + axis], geometry.target[2 + axis]
    return ((2 * tf.range(want) + 1) * have) // (2 * want)


def place_masks(masks: tf.Tensor, geometry: Geometry, image_size) -> tf.Tensor:
    """Masks of objects in the network input: each pixel takes that of the nearest, 0 around them.

    It equals `place` with "nearest" and `surround`, in one step and without turning the axes:
    with hundreds of objects every copy of their masks counts.

    Args:
        masks: (N, h, w), of the original image.
        geometry: how the image lands in the network input.
        image_size: int or (height, width), pixels of the network input.

    Returns:
        (N, height, width) of the same dtype.
    """
    for axis, side in enumerate(image_sides(image_size)):
        origin, extent = _mirrored_origin(geometry)[axis], geometry.target[2 + axis]
        place_in_target = tf.range(side) - origin
        seen = (place_in_target >= 0) & (place_in_target < extent)
        sources = _nearest(geometry, axis)
        last = geometry.region[2 + axis] - 1
        sources = tf.where(geometry.flip[axis], last - sources, sources)
        # those beyond the target take any pixel, and are cleared
        rows = tf.gather(sources, tf.clip_by_value(place_in_target, 0, extent - 1))
        masks = tf.gather(masks, geometry.region[axis] + rows, axis=1 + axis)
        shape = [1, -1, 1] if axis == 0 else [1, 1, -1]
        masks *= tf.reshape(tf.cast(seen, masks.dtype), shape)
    return masks


def surround(pixels: tf.Tensor, geometry: Geometry, image_size, fill, pad) -> tf.Tensor:
    """Put placed pixels into the network input, filled up around them.

    Args:
        pixels: (h, w, C), what `place` returned.
        geometry: the geometry they belong to.
        image_size: int or (height, width), pixels of the network input.
        fill: number, or one per channel, of the content the image does not cover.
        pad: number, or one per channel, beyond the content (letterbox).
    """
    sides = image_sides(image_size)
    shape = (*sides, pixels.shape[-1])
    content = geometry.content
    covered = tf.reduce_all(geometry.target[2:] == content)
    pixels = tf.cond(
        covered,
        lambda: pixels,
        lambda: _frame(pixels, _mirrored_origin(geometry), content, _plane(shape, fill, pixels)),
    )
    pixels = tf.cond(
        tf.reduce_all(content == sides),
        lambda: pixels,
        lambda: _frame(pixels, (0, 0), sides, _plane(shape, pad, pixels)),
    )
    return tf.ensure_shape(pixels, shape)


def _plane(shape, value, pixels):
    if None not in shape:
        return tf.constant(np.broadcast_to(value, shape), pixels.dtype)
    return tf.fill((*shape[:2], tf.shape(pixels)[2]), tf.cast(value, pixels.dtype))


def _frame(pixels, origin, size, plane):
    """Put pixels at `origin` into the upper left part, `size` large, of a plane."""
    top, left = origin[0], origin[1]
    bottom, right = top + tf.shape(pixels)[0], left + tf.shape(pixels)[1]
    # copies of whole stretches of memory: a third of the price of tf.pad and tf.where
    band = tf.concat([plane[top:bottom, :left], pixels, plane[top:bottom, right : size[1]]], axis=1)
    return tf.concat([plane[:top, : size[1]], band, plane[bottom : size[0], : size[1]]], axis=0)


def _mirrored_origin(geometry):
    origin, extent = geometry.target[:2], geometry.target[2:]
    return tf.where(geometry.flip, geometry.content - origin - extent, origin)


def _round(value):
    return tf.cast(tf.floor(value + 0.5), tf.int32)
