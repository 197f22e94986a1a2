"""Sizes of SSD's default boxes: the published scales and ratios."""

import math

# Sizes of the authors' configurations for VGG16, in pixels: (smallest per level ..., the end).
_VGG_SIZES = {
    300: (30.0, 60.0, 111.0, 162.0, 213.0, 264.0, 315.0),
    512: (35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.6),
}
_VGG_RATIOS = {
    300: ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    512: ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
}
_VGG_STEPS = {300: (8, 16, 32, 64, 100, 300), 512: (8, 16, 32, 64, 128, 256, 512)}


def published_sizes(backbone, image_size, pyramid=False):
    """Widths and heights of the default boxes of each level, in pixels.

    Args:
        backbone: str, "vgg16" takes the paper's own table, others that of SSD with MobileNet.
        image_size: int, pixels of the square input image.
        pyramid: bool, for the levels P3..P7 of a feature pyramid.

    Returns:
        {"P3": ((width, height), ...), ...}.

    Raises:
        ValueError: if the paper has no such VGG16 network.

    Source: Liu et al. 2016, arXiv:1512.02325, section 2.2 and its published configurations;
    Huang et al. 2017, arXiv:1611.10012 (MobileNet); Lin et al. 2017, arXiv:1708.02002 (pyramid).
    """
    if pyramid:
        return {f"P{level}": _pyramid_sizes(2.0**level) for level in range(3, 8)}
    if backbone != "vgg16":
        return _mobile_sizes(image_size)
    if image_size not in _VGG_SIZES:
        raise ValueError(
            f"`image_size` must be 300 or 512 for vgg16. Received: image_size={image_size}. "
            "The paper has no other network; use a pyramid (pyramid=True) for other sizes."
        )
    sizes, ratios = _VGG_SIZES[image_size], _VGG_RATIOS[image_size]
    return {
        f"P{level + 3}": _level_sizes(sizes[level], sizes[level + 1], ratios[level])
        for level in range(len(ratios))
    }


def published_steps(backbone, image_size, pyramid=False):
    """Grid steps in pixels of VGG16's levels, {"P3": 8, ...}; None where size / cells is meant."""
    if backbone != "vgg16" or pyramid:
        return None
    return {f"P{level + 3}": step for level, step in enumerate(_VGG_STEPS[image_size])}


def _level_sizes(small, large, ratios):
    """Square of the small size, square of the geometric mean, then each ratio both ways."""
    mean = math.sqrt(small * large)
    sizes = [(small, small), (mean, mean)]
    for ratio in ratios:
        root = math.sqrt(ratio)
        sizes += [(small * root, small / root), (small / root, small * root)]
    return tuple(sizes)


def _mobile_sizes(image_size):
    scales = [0.2 + 0.15 * level for level in range(6)] + [1.0]
    levels = {"P4": ((0.1, 0.1), *_level_sizes(0.2, 0.2, (2,))[2:])}
    for level in range(1, 6):
        levels[f"P{level + 4}"] = _level_sizes(scales[level], scales[level + 1], (2, 3))
    return {
        level: tuple((w * image_size, h * image_size) for w, h in sizes)
        for level, sizes in levels.items()
    }


def _pyramid_sizes(stride):
    """Two scales per octave of four strides, three ratios."""
    sizes = []
    for octave in (1.0, math.sqrt(2.0)):
        for ratio in (1.0, 2.0, 0.5):
            base, root = 4.0 * stride * octave, math.sqrt(ratio)
            sizes.append((base * root, base / root))
    return tuple(sizes)
