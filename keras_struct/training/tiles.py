"""Label maps of images of any size, tile by tile."""

import keras
import numpy as np
from keras import ops

from keras_struct.layers.crop_to import cropped
from keras_struct.layers.label_map_decoder import logits_of
from keras_struct.models.labelling.labelling_model import LabellingModel, at_size
from keras_struct.ops.sizes import image_sides
from keras_struct.training.batch_predictor import compiled


def predict_tiles(
    model: LabellingModel, image: np.ndarray, tile: int | tuple[int, int] | None = None, **options
) -> dict[str, np.ndarray]:
    """Label one image tile by tile; for many images make one `TilePredictor` and keep it.

    Args:
        model: a `LabellingModel`.
        image: (H, W, 3), RGB, 0..255.
        tile: sides that the network sees at a time; None for `model.image_size`.
        **options: `overlap`, `border` and `batch_size` of `TilePredictor`.

    Returns:
        {"segmentation": (H, W) int32, "probabilities": (H, W, C) float32}.

    Raises:
        ValueError: as for `TilePredictor`.
    """
    image = np.asarray(image)
    if image.ndim != 3:
        raise ValueError(f"`image` must be (height, width, 3). Received: shape={image.shape}.")
    results = TilePredictor(model, tile, **options)(image[None])
    return {name: value[0] for name, value in results.items()}


class TilePredictor:
    """Label images of any size by a network that sees one tile at a time.

    Beyond the image the network sees its mirror image. Where label maps of tiles overlap, their
    class probabilities are averaged. A CRF of the model refines the whole image, once.

    Tiles lie on the grid of the network's stride. The labels are those of the whole image at once
    if the part of each tile that is used depends on nothing outside of the tile: so it is with a
    U-Net of "valid" padding, and with others where `border` is at least half their field of view.

    `evaluate(TilePredictor(model, 256), dataset, image_size=(720, 960))` measures a model by
    sliding window.

    Args:
        model: a `LabellingModel`.
        tile: int or (height, width), pixels that the network sees; None for `model.image_size`.
        overlap: int, pixels at least by which the label maps of neighbours overlap. None for half
            of a label map; for a U-Net of "valid" padding, which needs none, 0.
        border: int, pixels at each side of a tile's label map that are not used.
        batch_size: int, tiles at a time.

    Call arguments:
        images: (B, H, W, 3), RGB, 0..255.

    Returns:
        {"segmentation": (B, H, W) int32, "probabilities": (B, H, W, C) float32} numpy arrays.

    Raises:
        ValueError: if a tile's label map leaves no `model.stride` pixels beside `overlap`.

    Source: Ronneberger et al. 2015, arXiv:1505.04597, figure 2 (overlap-tile strategy).
    """

    def __init__(
        self,
        model: LabellingModel,
        tile: int | tuple[int, int] | None = None,
        overlap: int | None = None,
        border: int = 0,
        batch_size: int = 8,
    ) -> None:
        self.task = model.task
        self.class_names = tuple(model.class_names)
        self.resize = model.resize
        self._model = model
        self._tile = image_sides(model.image_size if tile is None else tile, "tile")
        self._around = model.margin + border
        self._batch_size = batch_size
        self._used = [side - 2 * self._around for side in self._tile]
        if overlap is None:
            overlaps = [0 if model.margin else used // 2 for used in self._used]
        else:
            overlaps = [overlap, overlap]
        self._steps = [
            (used - shared) // model.stride * model.stride
            for used, shared in zip(self._used, overlaps, strict=True)
        ]
        if min(self._steps) < 1 or min(overlaps) < 0 or border < 0:
            raise ValueError(
                f"`tile` must leave at least {model.stride} pixels between the label maps of "
                f"neighbours, and `overlap` and `border` be at least 0. Received: "
                f"tile={self._tile}, overlap={overlap}, border={border}, with {model.margin} "
                "pixels at each side that the network leaves out. Use larger tiles."
            )
        tiles = keras.Input((*self._tile, 3))
        labelled = [side - 2 * model.margin for side in self._tile]
        probabilities = ops.softmax(at_size(model(tiles)["logits"], labelled), axis=-1)
        self._predict = compiled(keras.Model(tiles, cropped(probabilities, self._used)))

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        sides = images.shape[1:3]
        decoder = self._model.decoder(sides, probabilities=True)
        results = []
        for image in np.asarray(images, "float32"):
            results.append(decoder(logits_of(self._mean(image)[None]), image[None]))
        return {
            name: np.concatenate([ops.convert_to_numpy(result[name]) for result in results])
            for name in results[0]
        }

    def _mean(self, image):
        """(H, W, C) probabilities, averaged where tiles overlap."""
        height, width = image.shape[:2]
        starts, ends, around = [], [], []
        for side, used, step in zip((height, width), self._used, self._steps, strict=True):
            starts.append(range(0, max(1, side - used + step), step))
            ends.append(starts[-1][-1] + used)
            around.append((self._around, self._around + max(0, ends[-1] - side)))
        mirrored = np.pad(image, [*around, (0, 0)], mode="reflect")
        total = np.zeros((*ends, len(self.class_names)), "float32")
        count = np.zeros((*ends, 1), "float32")
        places = [(top, left) for top in starts[0] for left in starts[1]]
        for first in range(0, len(places), self._batch_size):
            chosen = places[first : first + self._batch_size]
            for (top, left), part in zip(chosen, self._labelled(mirrored, chosen), strict=True):
                here = slice(top, top + self._used[0]), slice(left, left + self._used[1])
                total[here] += part
                count[here] += 1
        return (total / count)[:height, :width]

    def _labelled(self, mirrored, places):
        """Probabilities of the tiles at `places`; the batch is filled up with zeros."""
        height, width = self._tile
        tiles = np.zeros((self._batch_size, height, width, 3), "float32")
        for index, (top, left) in enumerate(places):
            tiles[index] = mirrored[top : top + height, left : left + width]
        return ops.convert_to_numpy(self._predict(tiles))[: len(places)]
