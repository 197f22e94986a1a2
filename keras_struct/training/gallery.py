"""One picture of many: images of a data set with true and predicted boxes."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_struct.training.drawing import draw_detections
from keras_struct.training.evaluation import predictions
from keras_struct.training.files import replacing

_GAP = 6
_BACKGROUND = 32


def save_gallery(
    path: str | Path,
    model: Any,
    dataset: Any,
    count: int = 12,
    min_score: float = 0.3,
    tile: int = 320,
    batch_size: int = 8,
) -> None:
    """Write a PNG of images spread evenly over a data set: white true boxes, coloured found ones.

    Args:
        path: the PNG.
        model: as for `evaluate`.
        dataset: a `keras_struct.data` dataset with boxes.
        count: int, images at most.
        min_score: float in [0, 1], detections below it are left out.
        tile: int, pixels of the longer side of one image.
        batch_size: int, images at a time.
    """
    from PIL import Image

    count = min(count, len(dataset))
    chosen = dataset.subset(np.linspace(0, len(dataset) - 1, count).astype(int).tolist())
    tiles = []
    for index, annotation, result in predictions(model, chosen, batch_size):
        image = np.asarray(chosen[index]["images"])
        shown = {name: value[result["scores"] >= min_score] for name, value in result.items()}
        scale = tile / max(image.shape[:2])
        tiles.append(draw_detections(image, shown, chosen.class_names, annotation, scale))
    with replacing(path) as temporary:
        Image.fromarray(_grid(tiles, tile)).save(temporary)


def _grid(tiles: list[np.ndarray], tile: int) -> np.ndarray:
    columns = max(1, int(np.ceil(np.sqrt(len(tiles)))))
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
