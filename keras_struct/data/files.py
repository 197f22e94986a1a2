"""Samples whose images are files: the records a reader made, and their way into tf.data."""

import numpy as np
import tensorflow as tf

from keras_struct.data import images
from keras_struct.data.errors import DatasetError
from keras_struct.ops import run_lengths


class FileSource:
    """Images in files with their annotation in memory.

    Args:
        records: list of dicts with "image_id", "file" (path), "height", "width", "boxes" (N, 4)
            float32 xyxy pixels, "labels" (N,) int32, "crowd" (N,) bool, "difficult" (N,) bool,
            "areas" (N,) float32, and where the data set has them "keypoints" (N, J, 3) float32,
            "mask_runs", a function of no argument that gives N run lengths, and "label_map", one
            that gives (H, W, 1) uint8; "label_file" (path) where that is a file.
        class_names: tuple of str.
        keypoint_names: tuple of str.
        fields: the target fields these records can give; the first is the default.
        name: what messages call the data set.
        label_names: tuple of str, what the values of a label map mean; default: `class_names`.
    """

    def __init__(
        self,
        records,
        class_names,
        keypoint_names=(),
        fields=("bounding_boxes",),
        name="data set",
        label_names=None,
    ):
        if not records:
            raise DatasetError(f"{name}: field `images` must hold at least one image.")
        self.records = list(records)
        self.class_names = tuple(class_names)
        self.keypoint_names = tuple(keypoint_names)
        self.fields = tuple(fields)
        self.name = name
        self.label_names = self.class_names if label_names is None else tuple(label_names)

    def __len__(self) -> int:
        return len(self.records)

    def annotation(self, index: int) -> dict:
        """Annotation of one image, without its pixels."""
        hidden = ("mask_runs", "label_map")
        return {key: value for key, value in self.records[index].items() if key not in hidden}

    def max_boxes(self, indices) -> int:
        """Most boxes, crowds left out, of one image."""
        return max(int(np.sum(~self.records[index]["crowd"])) for index in indices)

    def read(self, index: int, fields) -> dict:
        """One sample as numpy arrays, the image in its original size."""
        record = self.records[index]
        pixels = images.read_image(record["file"])
        if pixels.shape[:2] != (record["height"], record["width"]):
            raise DatasetError(
                f"{record['file']}: field `size` must be the size (height, width) of the image. "
                f"Stated: {(record['height'], record['width'])}, image: {pixels.shape[:2]}."
            )
        sample = {"images": pixels}
        if "bounding_boxes" in fields:
            sample["bounding_boxes"] = {"boxes": record["boxes"], "labels": record["labels"]}
        if "keypoints" in fields:
            sample["keypoints"] = record["keypoints"]
        if "instance_masks" in fields:
            sample["instance_masks"] = self._masks(index)
        if "segmentation_masks" in fields:
            sample["segmentation_masks"] = record["label_map"]()
        return sample

    def mask_runs(self, index: int) -> list[dict]:
        """The masks of all objects of one image, crowds too, as run lengths."""
        return self.records[index]["mask_runs"]()

    def label_map(self, index: int) -> np.ndarray:
        """(H, W, 1) uint8, the label map of one image, without its pixels."""
        return self.records[index]["label_map"]()

    def loader(self, fields):
        """Return `load(index)`, which gives one sample's head inside a tf.data graph.

        The head holds "size", "boxes", "labels", the further fields asked for, and "crop", a
        function of a region that reads those pixels. Crowds are left out: they mark regions in
        which a detector is not to be judged, and a detector is not to learn them.
        """
        keep = [~record["crowd"] for record in self.records]
        counts = [int(mask.sum()) for mask in keep]
        files = tf.constant([record["file"] for record in self.records])
        sizes = tf.constant([(r["height"], r["width"]) for r in self.records], tf.int32)
        splits = tf.constant(np.concatenate([[0], np.cumsum(counts)]), tf.int64)
        tables = {
            key: tf.constant(
                np.concatenate([r[key][m] for r, m in zip(self.records, keep, strict=True)])
            )
            for key in ("boxes", "labels", "keypoints")
            if key != "keypoints" or key in fields
        }

        def load(index):
            rows = slice(splits[index], splits[index + 1])
            size, file = sizes[index], files[index]
            head = {key: table[rows] for key, table in tables.items()}
            if "instance_masks" in fields:
                head["instance_masks"] = _from_python(self._own_masks, index, (None,) * 3)
            if "segmentation_masks" in fields:
                head["segmentation_masks"] = _from_python(self.label_map, index, (None, None, 1))
            crop = lambda region: images.read_region(file, size, region)  # noqa: E731
            return {**head, "size": size, "crop": crop}

        return load

    def _masks(self, index):
        record = self.records[index]
        return run_lengths.decode(self.mask_runs(index), (record["height"], record["width"]))

    def _own_masks(self, index):
        """Masks without those of crowds: only what is kept is decoded."""
        record = self.records[index]
        runs = zip(self.mask_runs(index), record["crowd"], strict=True)
        own = [one for one, crowd in runs if not crowd]
        return run_lengths.decode(own, (record["height"], record["width"]))

    def validate(self, indices) -> None:
        """Decode every image and label file once; raises DatasetError at the first damaged one."""
        for index in indices:
            labelled = "label_file" in self.records[index]
            self.read(index, ("segmentation_masks",) if labelled else ())


def _from_python(function, index, shape):
    """uint8 pixels that only Python can make, inside a tf.data graph."""
    pixels = tf.numpy_function(lambda i: function(int(i)), [index], tf.uint8, stateful=False)
    return tf.ensure_shape(pixels, shape)


def without_objects(record: dict) -> dict:
    """What a record says of its image, with no object in it."""
    about_image = ("image_id", "file", "height", "width", "label_file", "label_map")
    return {
        **{key: record[key] for key in about_image if key in record},
        "boxes": np.zeros((0, 4), "float32"),
        "labels": np.zeros(0, "int32"),
        "crowd": np.zeros(0, bool),
        "difficult": np.zeros(0, bool),
        "areas": np.zeros(0, "float32"),
    }
