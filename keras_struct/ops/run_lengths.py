"""Masks as COCO's run lengths: what an image with a hundred objects costs in memory is text.

A run length is {"size": [H, W], "counts": bytes}, COCO's compressed text. The C code is COCO's
own, in its maintained copy, `faster-coco-eval`.
"""

from collections.abc import Iterable, Sequence

import numpy as np


def encode(masks: Iterable[np.ndarray]) -> list[dict]:
    """Run lengths of masks, one at a time: of a generator only one is in memory.

    Args:
        masks: (H, W) bool or uint8 each, not 0 inside.
    """
    from faster_coco_eval.core import mask as coco_mask

    return [coco_mask.encode(np.asfortranarray(mask, "uint8")) for mask in masks]


def decode(runs: Sequence[dict], size: tuple[int, int]) -> np.ndarray:
    """Masks (N, H, W) uint8, 1 inside, of run lengths whose `size` is (H, W)."""
    from faster_coco_eval.core import mask as coco_mask

    masks = np.zeros((len(runs), *size), "uint8")
    for mask, one in zip(masks, runs, strict=True):
        mask[:] = coco_mask.decode(one)
    return masks


def compressed(runs: dict) -> dict:
    """A run length whose counts are a list of numbers, text or bytes, with counts of bytes."""
    from faster_coco_eval.core import mask as coco_mask

    counts = runs["counts"]
    if isinstance(counts, str):
        return {**runs, "counts": counts.encode("ascii")}
    return runs if isinstance(counts, bytes) else coco_mask.frPyObjects(runs, *runs["size"])


def areas(runs: Sequence[dict]) -> np.ndarray:
    """(N,) float64, pixels inside."""
    from faster_coco_eval.core import mask as coco_mask

    return np.asarray(coco_mask.area(list(runs)), "float64").reshape(-1)


def extents(runs: Sequence[dict]) -> np.ndarray:
    """(N, 4) float64 xyxy, the box around each mask, continuous edges; zeros for no pixel."""
    from faster_coco_eval.core import mask as coco_mask

    boxes = np.asarray(coco_mask.toBbox(list(runs)), "float64").reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
