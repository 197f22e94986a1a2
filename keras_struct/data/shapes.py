"""The shapes world: endless small scenes whose truth is known exactly."""

import numpy as np
import tensorflow as tf

from keras_struct.data import scenes
from keras_struct.data.dataset import Dataset
from keras_struct.ops import run_lengths

BACKGROUND = "background"
FIELDS = ("bounding_boxes", "instance_masks", "segmentation_masks", "keypoints")


def shapes(
    count: int = 1000,
    image_size=(240, 320),
    seed: int = 0,
    class_names=scenes.CLASS_NAMES,
    max_objects: int = 6,
    first: int = 0,
) -> Dataset:
    """Coloured shapes on textured backgrounds, with boxes, masks, label maps and keypoints.

    Image i is a pure function of (seed, i), and there is no last one: `first` moves the window of
    `count` images, so that shapes(1000) and shapes(200, first=1000) share none.

    Boxes and masks cover the visible part of a shape. Label maps hold 0 for the background, label
    + 1 for a shape and 255, to be ignored, on the soft outlines; `for_task("segmentation")` gives
    them with their class names. Keypoints are the "center" and the "left", "top", "right" and
    "bottom" most visible points; visibility 1 means hidden.

    Args:
        count: number of images.
        image_size: (height, width) of the images, or one side, pixels.
        seed: whole number >= 0; another seed is another world.
        class_names: which shapes to draw, in label order, among `scenes.CLASS_NAMES`.
        max_objects: most shapes in an image; there are 1 to this many.
        first: number of the first image.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: where an argument is out of its range.
    """
    size = (image_size, image_size) if np.ndim(image_size) == 0 else tuple(image_size)
    for name, value, low in (
        ("count", count, 1),
        ("image_size", min(size), 32),
        ("seed", seed, 0),
        ("max_objects", max_objects, 1),
        ("first", first, 0),
    ):
        if int(value) != value or value < low:
            raise ValueError(
                f"`{name}` must be a whole number of at least {low}. Received: {name}={value!r}."
            )
    unknown = [name for name in class_names if name not in scenes.CLASS_NAMES]
    if unknown or not class_names:
        raise ValueError(
            f"`class_names` must be among {scenes.CLASS_NAMES}. Received: {tuple(class_names)}."
        )
    world = scenes.World(size, int(seed), tuple(class_names), int(max_objects))
    return Dataset(ShapesSource(world, int(count), int(first)))


class ShapesSource:
    """Images drawn when asked for."""

    keypoint_names = scenes.KEYPOINT_NAMES
    fields = FIELDS

    def __init__(self, world, count, first):
        self.world = world
        self.count = count
        self.first = first
        self.class_names = world.class_names
        self.label_names = (BACKGROUND, *world.class_names)
        self.name = f"shapes (seed {world.seed}, {first} to {first + count - 1})"

    def __len__(self) -> int:
        return self.count

    def annotation(self, index: int) -> dict:
        """Annotation of one image, drawn without colours."""
        scene = self.world.scene(self.first + index)
        count = len(scene["labels"])
        return {
            "image_id": self.first + index,
            "file": None,
            "height": self.world.size[0],
            "width": self.world.size[1],
            "boxes": scene["boxes"],
            "labels": scene["labels"],
            "crowd": np.zeros(count, bool),
            "difficult": np.zeros(count, bool),
            "areas": scene["instance_masks"].sum((1, 2)).astype("float32"),
            "keypoints": scene["keypoints"],
        }

    def max_boxes(self, indices) -> int:
        """Most shapes an image can have."""
        return self.world.max_objects

    def read(self, index: int, fields) -> dict:
        """One sample as numpy arrays."""
        scene = self.world.scene(self.first + index)
        sample = {"images": self.world.paint(self.first + index, scene)}
        if "bounding_boxes" in fields:
            sample["bounding_boxes"] = {"boxes": scene["boxes"], "labels": scene["labels"]}
        for field in fields:
            if field != "bounding_boxes":
                sample[field] = scene[field]
        return sample

    def mask_runs(self, index: int) -> list[dict]:
        """The masks of all shapes of one image as run lengths."""
        return run_lengths.encode(self.world.scene(self.first + index)["instance_masks"])

    def label_map(self, index: int) -> np.ndarray:
        """(H, W, 1) uint8, the label map of one image."""
        return self.world.scene(self.first + index)["segmentation_masks"]

    def loader(self, fields):
        """Return `load(index)`; see `FileSource.loader`."""
        kinds = {
            "images": (tf.uint8, (*self.world.size, 3)),
            "boxes": (tf.float32, (None, 4)),
            "labels": (tf.int32, (None,)),
            "instance_masks": (tf.uint8, (None, *self.world.size)),
            "segmentation_masks": (tf.uint8, (*self.world.size, 1)),
            "keypoints": (tf.float32, (None, len(self.keypoint_names), 3)),
        }
        wanted = [key for key in kinds if key not in FIELDS or key in fields]

        def draw(index):
            number = self.first + int(index)
            scene = self.world.scene(number)
            scene["images"] = self.world.paint(number, scene)
            return [scene[key] for key in wanted]

        def load(index):
            types = [kinds[key][0] for key in wanted]
            values = tf.numpy_function(draw, [index], types, stateful=False)
            head = {
                key: tf.ensure_shape(value, kinds[key][1])
                for key, value in zip(wanted, values, strict=True)
            }
            pixels = head.pop("images")

            def crop(region):
                top, left, height, width = tf.unstack(region)
                return pixels[top : top + height, left : left + width]

            return {**head, "size": tf.constant(self.world.size, tf.int32), "crop": crop}

        return load

    def validate(self, indices) -> None:
        """Nothing can be damaged: there is no file."""
