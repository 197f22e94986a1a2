"""Arguments that region features have in common."""


def check_count(value, name: str) -> int:
    """Return `value` if it is an integer of at least 1.

    Raises:
        ValueError: if it is not; `name` is how the argument is called.
    """
    if type(value) is not int or value < 1:
        raise ValueError(
            f"`{name}` must be an integer of at least 1. Received: {name}={value!r}. "
            "Give a number of cells or points, such as 7."
        )
    return value


def check_canonical(size, level):
    """Check what says which boxes read which level.

    Raises:
        ValueError: if `size` is not above 0 or `level` is not an integer.
    """
    if not isinstance(size, int | float) or not size > 0:
        raise ValueError(
            f"`canonical_size` must be above 0. Received: canonical_size={size!r}. "
            "Give the side in pixels of boxes that read `canonical_level`."
        )
    if type(level) is not int:
        raise ValueError(
            f"`canonical_level` must be an integer. Received: canonical_level={level!r}. "
            "Give log2 of a stride."
        )
