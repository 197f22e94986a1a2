"""Images for calibration and verification, from whatever the caller has at hand."""

from collections.abc import Iterable, Iterator

import numpy as np


def first_images(source, count: int, spec: dict, argument: str) -> np.ndarray:
    """Take the first images of a data set.

    Args:
        source: an array (N, H, W, 3), or an iterable of images (H, W, 3), of batches
            (B, H, W, 3), of tuples whose first item is one of these, or of dicts with `images`;
            so `dataset.batches(...)` and a tf.data.Dataset serve as they are.
        count: at most that many images are read; the source may be endless.
        spec: the `input` object of the card, whose height, width and channels must match.
        argument: name of the argument, for error messages.

    Returns:
        (N, H, W, 3) float32, 0..255, N in 1..count.

    Raises:
        TypeError: if `source` cannot be iterated over.
        ValueError: if it holds no image or images of another shape or range.
    """
    if not isinstance(source, Iterable):
        raise TypeError(
            f"`{argument}` must be an iterable of images or batches. Received: "
            f"{argument}={type(source).__name__}. Give for instance dataset.batches(1, ...)."
        )
    images = []
    for image in _each(source, spec, argument):
        images.append(image)
        if len(images) == count:
            break
    if not images:
        raise ValueError(
            f"`{argument}` must hold at least one image. Received: an empty {argument}. "
            "Is it a generator that was used up before? Give a fresh one."
        )
    found = np.stack(images)
    if not np.isfinite(found).all() or found.min() < 0 or found.max() > 255:
        raise ValueError(
            f"`{argument}` must hold pixels in 0..255. Received: values from "
            f"{found.min()} to {found.max()}. Scaling is part of the model: give raw pixels."
        )
    return found


def synthetic_images(count: int, spec: dict, seed: int = 0) -> np.ndarray:
    """Draw coloured rectangles over noise: something to detect, nothing flat that would tie.

    Returns:
        (count, H, W, channels) float32, 0..255.
    """
    generator = np.random.default_rng(seed)
    height, width, channels = spec["height"], spec["width"], spec["channels"]
    images = generator.uniform(0, 120, (count, height, width, channels))
    for image in images:
        for _ in range(6):
            y, x = generator.integers(0, (max(1, height * 3 // 4), max(1, width * 3 // 4)))
            h, w = generator.integers((2, 2), (height // 2 + 3, width // 2 + 3))
            patch = image[y : y + h, x : x + w]
            patch += generator.uniform(-60, 130, channels)
    return np.clip(images, 0, 255).astype("float32")


def _each(source, spec: dict, argument: str) -> Iterator[np.ndarray]:
    wanted = (spec["height"], spec["width"], spec["channels"])
    for item in source:
        if isinstance(item, tuple | list):
            item = item[0]
        if isinstance(item, dict):
            item = item["images"]
        array = np.asarray(item)
        if array.shape[-3:] != wanted or array.ndim not in (3, 4):
            raise ValueError(
                f"`{argument}` must hold images of shape {wanted}, alone or in batches. "
                f"Received: an array of shape {array.shape}. Resize to the model's input size."
            )
        yield from array.astype("float32").reshape(-1, *wanted)
