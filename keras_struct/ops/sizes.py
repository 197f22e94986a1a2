"""Sizes of images, as users give them: one number for a square, or (height, width)."""

import operator


def image_sides(image_size, name: str = "image_size", smallest: int = 1) -> tuple[int, int]:
    """Return (height, width) of an image size.

    Args:
        image_size: int, pixels of a square; or (height, width).
        name: of the argument, for the error.
        smallest: int, the least number of pixels of a side.

    Returns:
        (height, width), two ints.

    Raises:
        ValueError: if it is neither, or a side is too small.
    """
    sides = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    try:
        sides = tuple(operator.index(side) for side in sides if not isinstance(side, bool))
    except TypeError:
        sides = ()
    if len(sides) != 2 or min(sides) < smallest:
        raise ValueError(
            f"`{name}` must be a whole number of pixels, or (height, width), each at least "
            f"{smallest}. Received: {name}={image_size!r}."
        )
    return sides
