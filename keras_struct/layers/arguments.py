"""Arguments and shapes that layers of grids have in common."""


def check_step(step, name: str) -> int:
    """Return `step` if it is an integer of at least 2.

    Raises:
        ValueError: if it is not; `name` is how the argument is called.
    """
    if type(step) is not int or step < 2:
        raise ValueError(f"`{name}` must be an integer of at least 2. Received: {name}={step!r}.")
    return step


def enlarged_shape(shape, like_shape, step: int) -> tuple:
    """Shape (B, h, w, C) with the sides of `like_shape`, or else `step` times its own."""
    sides = [side and side * step for side in shape[1:3]] if like_shape is None else like_shape[1:3]
    return (shape[0], *sides, shape[3])
