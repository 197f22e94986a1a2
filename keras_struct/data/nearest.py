"""Label maps back from the network input to the original image, by the nearest pixel."""

import numpy as np

from keras_struct.data.resize import content_size
from keras_struct.ops.grids import nearest_cells
from keras_struct.ops.sizes import image_sides


def label_map_to_original(
    label_map, size: tuple[int, int], image_size: int | tuple[int, int], resize: str
) -> np.ndarray:
    """Bring a label map of the network input to the pixels of the original image.

    Every original pixel takes the label at its centre; letterbox filling is left out.

    Args:
        label_map: (h, w, ...), at the network input's size.
        size: (height, width) of the original image, pixels.
        image_size: int or (height, width) of the network input, pixels.
        resize: "stretch" or "letterbox".

    Returns:
        (height, width, ...) of the same dtype.

    Raises:
        ValueError: where `resize` is unknown, or the label map is not of `image_size`.
    """
    label_map = np.asarray(label_map)
    sides = image_sides(image_size)
    if label_map.shape[:2] != sides:
        raise ValueError(
            f"`label_map` must be of image_size={sides}. Received: shape {label_map.shape}."
        )
    content = content_size(size[0], size[1], image_size, resize)
    rows, columns = (
        nearest_cells(inside, original) for original, inside in zip(size, content, strict=True)
    )
    return label_map[rows[:, None], columns]
