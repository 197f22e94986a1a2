"""Samples to batches with tf.data: decode, augment, resize, pad, in parallel and repeatably.

Order and augmentation are pure functions of (seed, epoch, index), so a training that is taken up
again at epoch n sees what an uninterrupted one would have seen, bit for bit.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_struct.data import resize as geometry_module
from keras_struct.data.augmentation import SSDAugmentation
from keras_struct.data.distortion import Augmentation, fold
from keras_struct.data.flipping import flip_keypoints
from keras_struct.data.resize import MEAN_FILL, PAD_VALUE, check_resize
from keras_struct.data.segmentation_augmentation import SegmentationAugmentation
from keras_struct.ops.labels import IGNORED
from keras_struct.ops.sizes import image_sides


@dataclasses.dataclass
class BatchOptions:
    """Checked arguments of `Dataset.batches`, where they are explained."""

    batch_size: int
    image_size: int | tuple[int, int]
    augment: bool | Augmentation | Callable = False
    shuffle: bool | None = None
    seed: int = 0
    resize: str = "stretch"
    max_boxes: int | None = None
    first_epoch: int = 0
    epochs: int | None = None
    fields: tuple[str, ...] | None = None
    drop_remainder: bool | None = None

    def __post_init__(self):
        self.image_size = image_sides(self.image_size)
        check_resize(self.resize)
        for name, low in (("batch_size", 1), ("first_epoch", 0), ("epochs", 1), ("max_boxes", 1)):
            check_count(name, getattr(self, name), low)
        known = isinstance(self.augment, bool | Augmentation) or callable(self.augment)
        if not known:
            raise ValueError(
                "`augment` must be True, False, an SSDAugmentation, a SegmentationAugmentation or "
                f"a function (sample, seed) -> sample. Received: augment={self.augment!r}."
            )
        self.shuffle = self.augment is not False if self.shuffle is None else self.shuffle
        if self.drop_remainder is None:
            self.drop_remainder = self.shuffle


def check_count(name, value, low):
    """Raise ValueError unless `value` is a whole number of at least `low`, or may be None."""
    if value is None and name in ("epochs", "max_boxes"):
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise ValueError(
            f"`{name}` must be a whole number of at least {low}. Received: {name}={value!r}."
        )


def check_fields(fields, known) -> tuple[str, ...]:
    """Return `fields` as a tuple, or raise ValueError where one is not among `known`.

    None stands for the first of `known`.
    """
    fields = known[:1] if fields is None else fields
    fields = (fields,) if isinstance(fields, str) else tuple(fields)
    unknown = [field for field in fields if field not in known]
    if unknown or not fields:
        raise ValueError(
            f"`fields` must be among those of the data set, {known}. Received: fields={fields}."
        )
    return fields


def count_steps(num_images: int, batch_size: int, drop_remainder: bool) -> int:
    """Number of batches of one epoch."""
    check_count("batch_size", batch_size, 1)
    steps = num_images // batch_size if drop_remainder else math.ceil(num_images / batch_size)
    if steps == 0:
        raise ValueError(
            f"`batch_size` must be at most the number of images, {num_images}, as the remainder "
            f"is dropped. Received: batch_size={batch_size}. Lower it, or pass "
            "drop_remainder=False."
        )
    return steps


def batches(source, indices, options: BatchOptions) -> tf.data.Dataset:
    """Build the tf.data.Dataset that `Dataset.batches` promises."""
    options.fields = check_fields(options.fields, source.fields)
    if options.augment is True:
        options.augment = _augmentation_for(options.fields)
    most = max(1, source.max_boxes(indices))
    if options.max_boxes is not None and options.max_boxes < most:
        raise ValueError(
            f"`max_boxes` must be at least the most boxes of an image, {most}. "
            f"Received: max_boxes={options.max_boxes}. Pass None to use that number."
        )
    options.max_boxes = options.max_boxes or most
    steps = count_steps(len(indices), options.batch_size, options.drop_remainder)
    load = source.loader(options.fields)
    prepare = _Preparation(load, options, source.keypoint_names)

    def one_pass(epochs):
        stream = epochs.flat_map(_as_written(_epoch_order(indices, steps, options)))
        stream = stream.map(_as_written(prepare), tf.data.AUTOTUNE, deterministic=True)
        return stream.batch(options.batch_size, drop_remainder=options.drop_remainder)

    if options.epochs is None:
        dataset, count = one_pass(_next_epoch(options)), steps
    else:
        epochs = tf.data.Dataset.range(options.first_epoch, options.first_epoch + options.epochs)
        # epoch by epoch, as a short last batch must not be filled up by the next epoch
        short = not options.drop_remainder and options.epochs > 1
        inner = lambda epoch: one_pass(tf.data.Dataset.from_tensors(epoch))  # noqa: E731
        dataset = epochs.flat_map(_as_written(inner)) if short else one_pass(epochs)
        count = steps * options.epochs
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    # a batch of masks may be hundreds of MB: one that waits is enough
    ahead = 1 if "instance_masks" in options.fields else tf.data.AUTOTUNE
    return dataset.prefetch(ahead).with_options(_tf_options())


def _augmentation_for(fields):
    without_objects = fields == ("segmentation_masks",)
    return SegmentationAugmentation() if without_objects else SSDAugmentation()


def _as_written(function):
    # nothing of ours has Python control flow on tensors: skipping AutoGraph halves the start-up
    return tf.autograph.experimental.do_not_convert(function)


def _tf_options():
    options = tf.data.Options()
    options.deterministic = True
    # files are read inside, so that only batches can be shared out among workers
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return options


def _next_epoch(options):
    """Data set of one epoch number, one higher in every new iteration."""
    if not options.shuffle and options.augment is False:
        return tf.data.Dataset.from_tensors(tf.constant(options.first_epoch, tf.int64))
    counter = itertools.count(options.first_epoch)

    def count(_):
        return tf.ensure_shape(tf.numpy_function(lambda: np.int64(next(counter)), [], tf.int64), ())

    return tf.data.Dataset.range(1).map(_as_written(count))


def _epoch_order(indices, steps, options):
    positions = tf.constant(indices, tf.int64)
    length = min(len(indices), steps * options.batch_size)
    base = _seed(options.seed)

    def order(epoch):
        seed = fold(base, epoch)
        chosen = positions
        if options.shuffle:
            chosen = tf.random.experimental.stateless_shuffle(positions, seed, alg="philox")
        chosen = chosen[:length]
        return tf.data.Dataset.from_tensor_slices((chosen, tf.repeat(seed[None], length, 0)))

    return order


class _Preparation:
    """index, epoch seed -> network input and targets of one sample."""

    def __init__(self, load, options, keypoint_names):
        self.load = load
        self.options = options
        self.keypoint_names = keypoint_names

    def __call__(self, index, epoch_seed):
        options = self.options
        seed = fold(epoch_seed, index)
        head = self.load(index)
        if isinstance(options.augment, Augmentation):
            pixels, head, geometry = self._augmented(head, seed)
        else:
            pixels, head, geometry = self._plain(head, seed)
        image = geometry_module.surround(
            pixels, geometry, options.image_size, MEAN_FILL, (PAD_VALUE,) * 3
        )
        return self._inputs(image, head, geometry), self._targets(head, geometry)

    def _inputs(self, image, head, geometry):
        if "proposals" not in self.options.fields:
            return image
        # what a crop leaves out becomes a box without area: padding
        return {
            "images": image,
            "proposals": geometry_module.map_boxes(head["proposals"], geometry),
        }

    def _augmented(self, head, seed):
        augment, options = self.options.augment, self.options
        window, kept = augment.window(seed, head, options.image_size, options.resize)
        geometry = geometry_module.window_geometry(
            window, head["size"], options.image_size, options.resize, augment.choose_flip(seed)
        )
        head = _keep(head, kept)
        pixels = geometry_module.place(head["crop"](geometry.region), geometry)
        return augment.distort(seed, pixels), head, geometry

    def _plain(self, head, seed):
        options = self.options
        whole = tf.concat([tf.zeros((2,), tf.int32), head["size"]], 0)
        pixels = head["crop"](whole)
        if callable(options.augment):
            pixels, head = _apply(options.augment, pixels, head, seed)
        geometry = geometry_module.full_geometry(head["size"], options.image_size, options.resize)
        return geometry_module.place(pixels, geometry), head, geometry

    def _targets(self, head, geometry):
        options, targets = self.options, {}
        if "bounding_boxes" in options.fields:
            boxes = geometry_module.map_boxes(head["boxes"], geometry)
            targets["bounding_boxes"] = {
                "boxes": self._pad(boxes, 0.0),
                "labels": self._pad(head["labels"], -1),
            }
        if "keypoints" in options.fields:
            points = flip_keypoints(head["keypoints"], geometry, self.keypoint_names)
            targets["keypoints"] = self._pad(points, 0.0)
        if "instance_masks" in options.fields:
            masks = head["instance_masks"]
            masks = geometry_module.place_masks(masks, geometry, options.image_size)
            masks = tf.ensure_shape(masks, (None, *options.image_size))
            targets["instance_masks"] = self._pad(masks, 0)
        if "segmentation_masks" in options.fields:
            masks = head["segmentation_masks"]
            targets["segmentation_masks"] = self._label_map(masks, geometry, IGNORED)
        return targets

    def _label_map(self, masks, geometry, fill):
        top, left, height, width = tf.unstack(geometry.region)
        masks = masks[top : top + height, left : left + width]
        masks = geometry_module.place(masks, geometry, "nearest")
        return geometry_module.surround(masks, geometry, self.options.image_size, fill, fill)

    def _pad(self, values, fill):
        missing = self.options.max_boxes - tf.shape(values)[0]
        paddings = [[0, missing]] + [[0, 0]] * (values.shape.rank - 1)
        padded = tf.pad(values, paddings, constant_values=tf.cast(fill, values.dtype))
        return tf.ensure_shape(padded, (self.options.max_boxes, *values.shape[1:]))


_PER_OBJECT = ("boxes", "labels", "keypoints", "instance_masks")


def _keep(head, kept):
    rows = tf.where(kept)[:, 0]
    return {
        key: tf.gather(value, rows) if key in _PER_OBJECT else value for key, value in head.items()
    }


def _apply(augment, pixels, head, seed):
    """Run a user's function on a sample in Keras' own convention."""
    boxes = {"boxes": head["boxes"], "labels": head["labels"]}
    others = {
        k: head[k] for k in ("keypoints", "instance_masks", "segmentation_masks") if k in head
    }
    # a function of its own, so that AutoGraph reads the user's code
    sample = tf.function(augment)(
        {"images": tf.cast(pixels, tf.float32), "bounding_boxes": boxes, **others}, seed
    )
    pixels = sample.pop("images")
    boxes = sample.pop("bounding_boxes")
    head = {**head, **sample, "size": tf.shape(pixels)[:2]}
    head["boxes"] = tf.cast(boxes["boxes"], tf.float32)
    head["labels"] = tf.cast(boxes["labels"], tf.int32)
    return pixels, _keep(head, head["labels"] >= 0)


def _seed(seed):
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ValueError(f"`seed` must be a whole number. Received: seed={seed!r}.")
    return tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)
