"""The card: what an artefact of a model says about itself."""

from keras_struct.ops.sizes import image_sides


def card_of(model, results: list[str], **more) -> dict:
    """The card of a model that takes RGB images in 0..255.

    Args:
        model: with `task`, `class_names`, `image_size` and `resize`.
        results: names of what its decoder gives.
        **more: further entries.
    """
    height, width = image_sides(model.image_size)
    return {
        "format": "keras_struct",
        "card_version": 1,
        "task": model.task,
        "model": type(model).__name__,
        **more,
        "class_names": list(model.class_names),
        "input": {
            "name": "images",
            "height": height,
            "width": width,
            "channels": 3,
            "layout": "NHWC",
            "dtype": "float32",
            "range": [0, 255],
            "resize": model.resize,
            "pad_value": 114,
        },
        "results": results,
    }
