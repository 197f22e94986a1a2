"""From a photo to the network's input, and results back: the resize the model was trained with."""

import functools

import numpy as np

_ROWS_AT_ONCE = 32


def check_image(image) -> np.ndarray:
    """Return `image` if it is a (H, W, 3) uint8 array with pixels in it, else raise."""
    advice = "Give RGB pixels, for example numpy.asarray(PIL.Image.open(file).convert('RGB'))."
    if not isinstance(image, np.ndarray):
        raise TypeError(
            "`image` must be a numpy array of shape (H, W, 3) and dtype uint8. "
            f"Received: image of type {type(image).__name__}. {advice}"
        )
    if image.dtype != np.uint8:
        raise TypeError(
            "`image` must have dtype uint8, values 0 to 255. "
            f"Received: image of dtype {image.dtype}. {advice}"
        )
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            "`image` must have shape (H, W, 3) with at least one pixel. "
            f"Received: image of shape {image.shape}. {advice}"
        )
    return image


def placed_size(height: int, width: int, spec: dict) -> tuple[int, int]:
    """Height and width in network pixels that a (height, width) image takes up.

    Args:
        height: int, pixels of the original image.
        width: int, pixels of the original image.
        spec: the card's "input" object.
    """
    if spec["resize"] == "stretch":
        return spec["height"], spec["width"]
    scale = min(spec["height"] / height, spec["width"] / width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def preprocess(image: np.ndarray, spec: dict) -> np.ndarray:
    """Resize `image` as the card asks.

    Args:
        image: (H, W, 3) uint8 RGB.
        spec: the card's "input" object.

    Returns:
        (1, height, width, 3) float32, 0..255.
    """
    image = check_image(image)
    height, width = placed_size(*image.shape[:2], spec)
    pixels = resize(image, height, width)
    if (height, width) == (spec["height"], spec["width"]):
        return pixels[None]
    batch = np.full((1, spec["height"], spec["width"], 3), spec["pad_value"], np.float32)
    batch[0, :height, :width] = pixels
    return batch


def boxes_to_original(
    boxes: np.ndarray, size: tuple[int, int], spec: dict, clip: bool = True
) -> np.ndarray:
    """Map (N, 4) xyxy boxes from network pixels to an original image of `size` (height, width).

    Boxes are clipped to the image, unless `clip` is False: what lies in a box needs it whole.
    """
    corners = points_to_original(boxes.reshape(-1, 2, 2), size, spec, clip)
    return corners.reshape(-1, 4)


def points_to_original(
    points: np.ndarray, size: tuple[int, int], spec: dict, clip: bool = True
) -> np.ndarray:
    """Map points (..., 2) of (x, y) from network to original pixels, as `boxes_to_original`."""
    height, width = size
    placed_height, placed_width = placed_size(height, width, spec)
    scale = np.array([width / placed_width, height / placed_height])
    points = points.astype(np.float64) * scale
    return (np.clip(points, 0, [width, height]) if clip else points).astype(np.float32)


def labels_to_original(labels: np.ndarray, size: tuple[int, int], spec: dict) -> np.ndarray:
    """Map a label map from network pixels to an original image of `size` (height, width).

    Each pixel takes the label that its centre lies on; letterbox filling is left out.

    Args:
        labels: (h, w), the network's pixels.
        size: (height, width) of the original image.
        spec: the card's "input" object.

    Returns:
        (height, width) of the same dtype.
    """
    rows, columns = (
        (2 * np.arange(new) + 1) * placed // (2 * new)  # in whole numbers: exact on borders too
        for new, placed in zip(size, placed_size(*size, spec), strict=True)
    )
    return labels.take(rows, axis=0).take(columns, axis=1)


def scores_to_original(scores: np.ndarray, size: tuple[int, int], spec: dict) -> np.ndarray:
    """As `labels_to_original` for (h, w, C) float32 scores, which are blended bilinearly."""
    height, width = placed_size(*size, spec)
    return resize(scores[:height, :width], *size)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resize with half-pixel centres, edges repeated and no antialiasing.

    Equals `tf.image.resize(image, (height, width))` to float32 rounding: the same pixels the
    network was trained on. Rows are blended before columns, as whole rows are cheap to gather.

    Args:
        image: (H, W, C) uint8 or float32.
        height: int, rows of the result.
        width: int, columns of the result.

    Returns:
        (height, width, C) float32.
    """
    if image.shape[:2] == (height, width):
        return image.astype(np.float32)
    upper, lower, down = _rows(image.shape[0], height)
    flat = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    output = np.empty((height, width, image.shape[2]), np.float32)
    # few rows at a time: their temporaries stay in the cache, several times faster than at once
    for start in range(0, height, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        _resize_rows(flat[upper[part]], flat[lower[part]], down[part, None], output[part])
    return output


def _resize_rows(first, second, down, output):
    """Blend two sets of rows (R, W * C), then their columns, into (R, width, C) float32."""
    width, channels = output.shape[1:]
    columns = first.shape[1] // channels
    left, right, across = _columns(columns, width, channels)
    if columns > 2 * width:  # most columns are skipped: drop them before any arithmetic
        used = _used_columns(columns, width, channels)
        blended = _blend(first.take(used, axis=1), second.take(used, axis=1), down)
        first, second = blended[:, : width * channels], blended[:, width * channels :]
    else:
        blended = _blend(first, second, down)
        first, second = blended.take(left, axis=1), blended.take(right, axis=1)
    output[:] = _blend(first, second, across).reshape(output.shape)


def _blend(first, second, weight):
    first = first.astype(np.float32, copy=False)
    second = second.astype(np.float32, copy=False)
    second -= first
    second *= weight
    second += first
    return second


@functools.lru_cache(maxsize=16)
def _rows(size, new_size):
    """Per new row: the two source rows and the weight of the second."""
    centres = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    floor = np.floor(centres)
    first = np.clip(floor, 0, size - 1).astype(np.intp)
    second = np.clip(floor + 1, 0, size - 1).astype(np.intp)
    return first, second, (centres - floor).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _columns(size, new_size, channels):
    """As `_rows`, but for the interleaved values of rows of pixels."""
    first, second, weight = _rows(size, new_size)
    each = np.arange(channels)
    first, second = ((index[:, None] * channels + each).ravel() for index in (first, second))
    return first, second, np.repeat(weight, channels)


@functools.lru_cache(maxsize=16)
def _used_columns(size, new_size, channels):
    first, second, _ = _columns(size, new_size, channels)
    return np.concatenate((first, second))
