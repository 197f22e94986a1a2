"""One picture of many: images of a data set with what is true and what was predicted."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_struct.training.evaluation import as_function, predictions
from keras_struct.training.files import replacing
from keras_struct.training.tasks import task_of

_GAP = 6
_BACKGROUND = 32


def save_gallery(
    path: str | Path,
    model: Any,
    dataset: Any,
    count: int = 12,
    tile: int = 320,
    batch_size: int = 8,
    **drawing: Any,
) -> None:
    """Write a PNG of images spread evenly over a data set, with truth and prediction.

    Detections are coloured over white true boxes, with their masks and keypoints; label maps lie
    beside each other, the true one on the left.

    Args:
        path: the PNG.
        model: as for `evaluate`.
        dataset: a `keras_struct.data` dataset with boxes or label maps.
        count: int, images at most.
        tile: int, pixels of the longer side of one image.
        batch_size: int, images at a time.
        **drawing: `min_score` (0.3), below which detections are left out; or `opacity` (0.6) of
            label maps.
    """
    from PIL import Image

    model = as_function(model)
    task = task_of(model.task, model.card)
    count = min(count, len(dataset))
    chosen = dataset.subset(np.linspace(0, len(dataset) - 1, count).astype(int).tolist())
    chosen = chosen.for_task(model.task)
    tiles = []
    for index, annotation, result in predictions(model, chosen, batch_size):
        scale = tile / max(annotation["height"], annotation["width"])
        tiles.append(task.picture(chosen[index], result, chosen.class_names, scale, **drawing))
    with replacing(path) as temporary:
        Image.fromarray(_grid(tiles)).save(temporary)


def _grid(tiles: list[np.ndarray]) -> np.ndarray:
    columns = max(1, int(np.ceil(np.sqrt(len(tiles)))))
    tile = max(picture.shape[1] for picture in tiles)
    width = columns * (tile + _GAP) + _GAP
    rows = [np.full((_GAP, width, 3), _BACKGROUND, np.uint8)]
    for start in range(0, len(tiles), columns):
        pictures = tiles[start : start + columns]
        height = max(len(picture) for picture in pictures) + _GAP
        row = np.full((height, width, 3), _BACKGROUND, np.uint8)
        for column, picture in enumerate(pictures):
            left = _GAP + column * (tile + _GAP)
            row[: picture.shape[0], left : left + picture.shape[1]] = picture
        rows.append(row)
    return np.concatenate(rows)
