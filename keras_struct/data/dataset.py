"""A data set: class names, annotations, samples read when asked for, and batches of them."""

import operator

import numpy as np

from keras_struct.data import pipeline
from keras_struct.data.errors import DatasetError
from keras_struct.data.proposals import Proposals, ProposalSource
from keras_struct.data.tasks import task_source


class Dataset:
    """Images with their annotation, as a reader found them.

    `dataset[i]` is a sample: "images" (H, W, 3) uint8 in the original size and, in original
    pixels, the default field: "bounding_boxes" with "boxes" (N, 4) float32 xyxy and "labels" (N,)
    int32, or "segmentation_masks" (H, W, 1) uint8, the class of every pixel, 255 to be ignored.

    Args:
        source: where samples come from, a `FileSource` or the like.
        indices: which of its samples belong to the data set, in order; default: all.
    """

    def __init__(self, source, indices=None):
        self._source = source
        self._indices = np.arange(len(source)) if indices is None else np.asarray(indices, "int64")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; the position is the label."""
        return self._source.class_names

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Names of the keypoints of an object; empty where the data set has none."""
        return self._source.keypoint_names

    @property
    def fields(self) -> tuple[str, ...]:
        """Target fields that `read` and `batches` can give; the first is their default."""
        return self._source.fields

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        return f"<Dataset {self._source.name}: {len(self)} images, {len(self.class_names)} classes>"

    def __getitem__(self, index: int) -> dict:
        return self.read(index)

    def read(self, index: int, fields=None) -> dict:
        """One sample with the target fields asked for, numpy arrays in original pixels.

        `fields` are among `dataset.fields`; None stands for the first of them.

        It holds crowds as well, in the order of `annotation`, whose "crowd" tells them apart;
        `batches` leaves them out.

        Raises:
            IndexError: where `index` is outside the data set.
            ValueError: where a field is unknown here.
            DatasetError: where the image cannot be read.
        """
        return self._source.read(self._at(index), pipeline.check_fields(fields, self.fields))

    def annotation(self, index: int) -> dict:
        """Annotation of one image without reading its pixels.

        Returns:
            "image_id", "file", "height", "width", "boxes" (N, 4) float32 xyxy in original pixels,
            "labels" (N,) int32, "crowd" (N,) bool, "difficult" (N,) bool, "areas" (N,) float32;
            "keypoints" (N, J, 3) float32 where it has them; "label_file" where the label map is a
            file. N is 0 where the data set has no boxes. Masks are with `mask_runs`.
        """
        return self._source.annotation(self._at(index))

    def mask_runs(self, index: int) -> list[dict]:
        """The masks of all objects of an image, in the order of `annotation`, as run lengths.

        Each is {"size": [H, W], "counts": bytes}, COCO's compressed text. They are made when
        asked for; `read(index, "instance_masks")` gives the pixels.

        Raises:
            ValueError: where the data set has no masks.
            DatasetError: where one is malformed or lies outside its box.
        """
        pipeline.check_fields("instance_masks", self.fields)
        return self._source.mask_runs(self._at(index))

    def label_map(self, index: int) -> np.ndarray:
        """(H, W) uint8, the class of every pixel of an image, 255 to be ignored.

        It is what `read(index, "segmentation_masks")` gives, without reading the image.

        Raises:
            ValueError: where the data set has no label maps.
            DatasetError: where the label map cannot be read.
        """
        pipeline.check_fields("segmentation_masks", self.fields)
        return self._source.label_map(self._at(index))[..., 0]

    def for_task(self, task: str) -> "Dataset":
        """The same images as a data set of one task, whose field is the default.

        Args:
            task: "detection" for boxes; "segmentation" for label maps. The class names of these
                are the names of the values in a label map: where it was painted from objects
                (shapes, COCO) "background" comes first.

        Raises:
            ValueError: where there is no such task, or the images have no annotation for it.
        """
        return Dataset(task_source(self._source, task), self._indices)

    def with_proposals(self, proposals, count: int = 300) -> "Dataset":
        """The same images with proposals, as Fast R-CNN, SPPnet and R-CNN take them.

        `batches(..., fields=model.fields)` then gives {"images", "proposals" (B, count, 4) float32
        xyxy in network pixels} instead of images; boxes without area pad.

        Args:
            proposals: `Proposals`, or the path of a file that `keras-struct propose` wrote.
            count: int, proposals of an image, the best of each.

        Raises:
            ValueError: where `count` is below 1.
            DatasetError: where the file cannot be read, lacks an image, or has one of another size.
        """
        pipeline.check_count("count", count, 1)
        if not isinstance(proposals, Proposals):
            proposals = Proposals.load(proposals)
        for index in range(len(self)):
            proposals.of(self.annotation(index))
        return Dataset(ProposalSource(self._source, proposals, count), self._indices)

    def max_boxes(self) -> int:
        """Most boxes of one image, crowds left out; at least 1."""
        return max(1, self._source.max_boxes(self._indices))

    def subset(self, indices) -> "Dataset":
        """Data set of the samples at `indices`, in that order.

        Raises:
            DatasetError: where nothing is left.
        """
        chosen = [self._at(index) for index in indices]
        if not chosen:
            raise DatasetError(f"{self._source.name}: field `subset` must hold at least one image.")
        return Dataset(self._source, chosen)

    def split(self, fraction: float, seed: int = 0) -> tuple["Dataset", "Dataset"]:
        """Split at random into two data sets; the first holds `fraction` of the images.

        The same seed gives the same split. Both parts keep the order of the images.

        Raises:
            ValueError: where `fraction` would leave a part without an image.
        """
        first = round(len(self) * fraction)
        if not 0 < first < len(self):
            raise ValueError(
                "`fraction` must be between 0 and 1 and leave an image on both sides. "
                f"Received: fraction={fraction!r}, images={len(self)}."
            )
        order = np.random.default_rng(seed).permutation(len(self))
        return self.subset(sorted(order[:first])), self.subset(sorted(order[first:]))

    def validate(self) -> None:
        """Decode every image and label map file once.

        Raises:
            DatasetError: at the first image that is damaged, missing or of another size than
                stated, or whose label map is or holds an unknown label, naming the file.
        """
        self._source.validate(self._indices)

    def steps(self, batch_size: int, drop_remainder: bool = True) -> int:
        """Number of batches of one epoch of `batches`; training drops the remainder."""
        return pipeline.count_steps(len(self), batch_size, drop_remainder)

    def batches(
        self,
        batch_size: int,
        image_size: int | tuple[int, int],
        *,
        augment=False,
        shuffle: bool | None = None,
        seed: int = 0,
        resize: str = "stretch",
        max_boxes: int | None = None,
        first_epoch: int = 0,
        epochs: int | None = None,
        fields=None,
        drop_remainder: bool | None = None,
    ):
        """Batches for `model.fit`, `evaluate` and `predict`.

        With `epochs=None` every iteration is one epoch, and the next iteration is the next epoch,
        newly shuffled: `model.fit(train.batches(16, 320, augment=True), epochs=60)`. With
        `epochs=n` one iteration runs through n epochs, always the same ones. Use this with
        several replicas, which open iterators of their own accord:
        `model.fit(train.batches(16, 320, augment=True, first_epoch=20, epochs=40),
        initial_epoch=20, epochs=60, steps_per_epoch=train.steps(16))`. Either way epoch e is the
        same stream, whatever epoch the training started at.

        Args:
            batch_size: number of images in a batch, over all replicas.
            image_size: int or (height, width), pixels of the network input.
            augment: False; True for `SSDAugmentation()` or, where label maps are asked for and no
                boxes, `SegmentationAugmentation()`; one of these; or a function
                (sample, seed) -> sample that works on one sample in original size, with
                "images" (H, W, 3) float32. It draws with tf.random.stateless_* and the seed,
                (2,) int32.
            shuffle: whether to shuffle every epoch; default: where `augment` is given. Without,
                batches keep the order of the data set.
            seed: whole number; with the epoch it decides order and augmentation.
            resize: "stretch" to the network input, or "letterbox": keep the aspect, fill with 114
                to the right or below.
            max_boxes: number of boxes to pad to; default: the most boxes of one image.
            first_epoch: number of the epoch to start at.
            epochs: number of epochs in one iteration, or None.
            fields: target fields to give, among `dataset.fields`; default: the first of them.
            drop_remainder: whether to drop a short last batch; default: where `shuffle` is set.

        Returns:
            tf.data.Dataset of (images, targets): images (B, H, W, 3) float32 0..255 (with the
            field "proposals" a dict of "images" and "proposals" (B, P, 4)), targets a
            dict of the fields: "bounding_boxes" {"boxes" (B, N, 4) float32 xyxy in network
            pixels, "labels" (B, N) int32, -1 pads}, "instance_masks" (B, N, H, W) uint8 0 or 1,
            "segmentation_masks" (B, H, W, 1) uint8, 255 is ignored, "keypoints" (B, N, J, 3)
            float32 (x, y, visibility). Crowds are left out. Its length is the number of batches.

        Raises:
            ValueError: where an argument is out of its range.
        """
        options = pipeline.BatchOptions(
            batch_size,
            image_size,
            augment=augment,
            shuffle=shuffle,
            seed=seed,
            resize=resize,
            max_boxes=max_boxes,
            first_epoch=first_epoch,
            epochs=epochs,
            fields=fields,
            drop_remainder=drop_remainder,
        )
        return pipeline.batches(self._source, self._indices, options)

    def _at(self, index):
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"`index` must be below {len(self)}. Received: index={index}.")
        return int(self._indices[index])
