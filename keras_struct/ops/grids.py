"""Grids of cells: a coarse one lies on a fine one from the top left corner on."""

import numpy as np
from keras import ops


def crop_to(tensor, like, step: int):
    """Cut a tensor that was enlarged `step` times down to the sides of another.

    Where sides are odd, a coarse grid covers up to `step - 1` rows and columns more than the fine
    one that it was made from; they are at the bottom and at the right.

    Args:
        tensor: (B, h * step, w * step, C).
        like: (B, H, W, ...), or None to cut nothing.
        step: int, cells of the fine grid along a side of a coarse one.

    Returns:
        (B, H, W, C).

    Raises:
        ValueError: if h or w is not H or W divided by `step`, rounded up.
    """
    if like is None:
        return tensor
    sides, wanted = tuple(tensor.shape[1:3]), tuple(like.shape[1:3])
    if any(not 0 <= have - want < step for have, want in zip(sides, wanted, strict=True)):
        raise ValueError(
            f"`like` must have sides from {sides[0] - step + 1} x {sides[1] - step + 1} to "
            f"{sides[0]} x {sides[1]}, those that {step} times fewer cells cover. Received: "
            f"height={wanted[0]}, width={wanted[1]}. Give what the coarse grid was made from."
        )
    return tensor if sides == wanted else tensor[:, : wanted[0], : wanted[1]]


def continue_edges(tensor, before: int, after: tuple[int, int]):
    """Repeat the first and last rows and columns of (B, H, W, C).

    Args:
        tensor: (B, H, W, C).
        before: int, rows at the top and columns at the left.
        after: (rows at the bottom, columns at the right).

    Returns:
        (B, before + H + after[0], before + W + after[1], C).
    """
    rows = [*[tensor[:, :1]] * before, tensor, *[tensor[:, -1:]] * after[0]]
    tensor = ops.concatenate(rows, axis=1)
    columns = [*[tensor[:, :, :1]] * before, tensor, *[tensor[:, :, -1:]] * after[1]]
    return ops.concatenate(columns, axis=2)


def interleave(rows):
    """Put k x k grids of equal size together as the cells of one that is k times finer.

    Args:
        rows: k lists of k tensors (B, H, W, C); the one at [i][j] goes to the cells whose row is i
            and whose column is j modulo k.

    Returns:
        (B, k * H, k * W, C).
    """
    step = len(rows)
    batch, height, width, channels = ops.shape(rows[0][0])
    # All is done by joining and reshaping four axes: runtimes take few operators on more.
    rows = [
        ops.reshape(ops.concatenate(row, axis=-1), (batch, height, width * step, channels))
        for row in rows
    ]
    return ops.reshape(
        ops.concatenate(rows, axis=2), (batch, height * step, width * step, channels)
    )


def nearest_cells(size: int, wanted: int) -> np.ndarray:
    """Which of `size` cells holds the middle of each of `wanted` cells of the same stretch.

    In whole numbers: exact, and label maps come back as they went.

    Returns:
        (wanted,) integers from 0 to size - 1.
    """
    return (2 * np.arange(wanted) + 1) * size // (2 * wanted)
