"""Label maps from several sizes of an image, and from its mirror image."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_struct.layers.label_map_decoder import logits_of
from keras_struct.models.labelling.labelling_model import at_size
from keras_struct.ops.sizes import image_sides


def averaged_over_scales(
    model: keras.Model, scales: Sequence[float], flip: bool = False
) -> keras.Model:
    """A model that averages the class probabilities over sizes of the image, and its mirror image.

    Images come at the model's own size and are scaled inside, bilinear; the probabilities come
    back to that size before they are averaged. A CRF of the model refines the average, once.

    Args:
        model: a `LabellingModel`.
        scales: floats > 0, sizes of the images over `model.image_size`.
        flip: bool, use every size mirrored left to right as well.

    Returns:
        `keras.Model`: images (B, H, W, 3) float32, 0..255, to {"segmentation": (B, H, W) int32,
        "probabilities": (B, H, W, C) float32}.

    Raises:
        ValueError: if the model gives no label maps, a scale is not positive, or there is none.
    """
    task = model.card()["task"]
    if task != "segmentation":
        raise ValueError(
            "`scales` and `flip` must come with a model of the task 'segmentation', whose "
            f"probabilities can be averaged. Received: a model of the task {task!r}."
        )
    if not len(scales) or not all(scale > 0 for scale in scales):
        raise ValueError(f"`scales` must be positive numbers. Received: scales={scales!r}.")
    size = image_sides(model.image_size)
    images = keras.Input((*size, 3), name="images")
    maps = []
    for scale in scales:
        pictures = at_size(images, [round(side * scale) for side in size])
        maps.append(_probabilities(model, pictures))
        if flip:
            maps.append(ops.flip(_probabilities(model, ops.flip(pictures, axis=2)), axis=2))
    mean = sum(at_size(each, size) for each in maps) / len(maps)
    results = model.decoder(probabilities=True)(logits_of(mean), images)
    return keras.Model(images, results, name=f"{model.name}_averaged")


def _probabilities(model, images):
    logits = at_size(model.whole_logits(images), images.shape[1:3])
    return ops.softmax(logits, axis=-1)
