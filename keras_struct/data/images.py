"""Reading image files: JPEG (cut while decoding), PNG, BMP and GIF, always as RGB.

Grey, palette and CMYK files become RGB; an alpha channel is dropped. Pixels are taken as stored:
an EXIF orientation is ignored, because boxes are annotated on stored pixels. JPEGs are decoded
with the accurate integer DCT, the one Pillow uses, so that training and the edge see equal bytes.
"""

import numpy as np
import tensorflow as tf

from keras_struct.data.errors import DatasetError

_DCT = "INTEGER_ACCURATE"


def decode(contents: bytes, file: str) -> np.ndarray:
    """Decode an image file to (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: where the bytes are no readable image; the message names `file`.
    """
    try:
        if contents[:3] == b"\xff\xd8\xff":
            return tf.io.decode_jpeg(contents, channels=3, dct_method=_DCT).numpy()
        return tf.io.decode_image(contents, channels=3, expand_animations=False).numpy()
    except (tf.errors.OpError, ValueError) as error:
        reason = str(error).split("\n")[0][:200]
        raise DatasetError(
            f"{file}: field `image` must be a readable JPEG, PNG, BMP or GIF; it is damaged, cut "
            f"short or of another type ({reason}). Replace the file or take it out of the data set."
        ) from None


def read_image(file: str) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: where the file is missing or no readable image.
    """
    try:
        with open(file, "rb") as stream:
            contents = stream.read()
    except OSError as error:
        raise DatasetError(f"{file}: field `image` cannot be read ({error.strerror}).") from None
    return decode(contents, file)


def image_size(file: str) -> tuple[int, int]:
    """(height, width) of an image file in pixels."""
    return read_image(file).shape[:2]


def stated_size(file) -> tuple[int, int]:
    """(height, width) that the head of an image file states; its pixels stay unread.

    Raises:
        DatasetError: where the file is missing or no image.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            width, height = image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f"{file}: field `image` must be a readable image ({error}).") from None
    return height, width


def read_region(file: tf.Tensor, size: tf.Tensor, region: tf.Tensor) -> tf.Tensor:
    """Read a rectangle of an image inside a tf.data graph.

    Args:
        file: () string.
        size: (2,) int32 (height, width) the annotation states; another size is an error.
        region: (4,) int32 (y, x, height, width) to return.

    Returns:
        (height, width, 3) uint8.
    """
    contents = tf.io.read_file(file)
    # Only Python can put the file name into a decoder's error. It is asked where the file does
    # not start and end as a JPEG does; all others stay on the fast path.
    return tf.cond(
        _looks_like_whole_jpeg(contents),
        lambda: _read_jpeg_region(contents, file, size, region),
        lambda: _read_other_region(contents, file, size, region),
    )


def _looks_like_whole_jpeg(contents):
    end = tf.maximum(tf.strings.length(contents) - 2, 0)
    head, tail = tf.strings.substr(contents, 0, 3), tf.strings.substr(contents, end, 2)
    return (head == b"\xff\xd8\xff") & (tail == b"\xff\xd9")


def _read_jpeg_region(contents, file, size, region):
    stored = tf.io.extract_jpeg_shape(contents, output_type=tf.int32)[:2]
    with tf.control_dependencies([_check_size(file, size, stored)]):
        crop = tf.identity(region)
    return tf.image.decode_and_crop_jpeg(contents, crop, channels=3, dct_method=_DCT)


def _read_other_region(contents, file, size, region):
    def from_python(contents, file):
        return decode(contents, file.decode())

    pixels = tf.numpy_function(from_python, [contents, file], tf.uint8, stateful=False)
    pixels = tf.ensure_shape(pixels, (None, None, 3))
    with tf.control_dependencies([_check_size(file, size, tf.shape(pixels)[:2])]):
        top, left, height, width = tf.unstack(region)
    return pixels[top : top + height, left : left + width]


def _check_size(file, size, stored):
    return tf.debugging.Assert(
        tf.reduce_all(size == stored),
        [
            tf.strings.join([file, ": field `size` must be the size (height, width) of the image"]),
            "Stated:",
            size,
            "image:",
            stored,
        ],
    )
