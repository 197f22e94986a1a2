"""Samples whose images are files: the records a reader made, and their way into tf.data."""

import numpy as np
import tensorflow as tf

from keras_struct.data import images
from keras_struct.data.errors import DatasetError

FIELDS = ("bounding_boxes", "instance_masks", "keypoints")


class FileSource:
    """Images in files with their annotation in memory.

    Args:
        records: list of dicts with "image_id", "file" (path), "height", "width", "boxes" (N, 4)
            float32 xyxy pixels, "labels" (N,) int32, "crowd" (N,) bool, "difficult" (N,) bool,
            "areas" (N,) float32, and where the data set has them "keypoints" (N, J, 3) float32
            and "masks", a function of no argument that gives (N, H, W) uint8.
        class_names: tuple of str.
        keypoint_names: tuple of str.
        fields: the target fields these records can give.
        name: what messages call the data set.
    """

    def __init__(self, records, class_names, keypoint_names=(), fields=FIELDS[:1], name="data set"):
        if not records:
            raise DatasetError(f"{name}: field `images` must hold at least one image.")
        self.records = list(records)
        self.class_names = tuple(class_names)
        self.keypoint_names = tuple(keypoint_names)
        self.fields = tuple(fields)
        self.name = name

    def __len__(self) -> int:
        return len(self.records)

    def annotation(self, index: int) -> dict:
        """Annotation of one image, without its pixels."""
        hidden = ("masks",)
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
            sample["instance_masks"] = record["masks"]()
        return sample

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
                head["instance_masks"] = self._load_masks(index)
            crop = lambda region: images.read_region(file, size, region)  # noqa: E731
            return {**head, "size": size, "crop": crop}

        return load

    def _load_masks(self, index):
        def rasterise(index):
            record = self.records[int(index)]
            return record["masks"]()[~record["crowd"]]

        masks = tf.numpy_function(rasterise, [index], tf.uint8, stateful=False)
        return tf.ensure_shape(masks, (None, None, None))

    def validate(self, indices) -> None:
        """Decode every image once; raises DatasetError at the first that cannot be read."""
        for index in indices:
            self.read(index, ())
