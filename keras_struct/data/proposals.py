"""Proposals found once and kept in a file: boxes that may hold an object, for every image."""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from keras_struct.data.errors import DatasetError, dataset_error

_ARRAYS = ("names", "sizes", "counts", "boxes")


class Proposals:
    """Boxes of images, best first, in original pixels.

    Images are known by the name of their file and of its folder.

    Args:
        boxes: {key of an image: ((height, width), (P, 4) float32 xyxy, pixels)}; see `key_of`.
    """

    def __init__(self, boxes: dict | None = None):
        self._boxes = dict(boxes or {})

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, annotation: dict) -> bool:
        return key_of(annotation) in self._boxes

    def add(self, annotation: dict, boxes) -> None:
        """Keep the proposals of one image.

        Raises:
            ValueError: if `boxes` is not (P, 4), finite, with low corners first.
        """
        boxes = np.asarray(boxes, "float32").reshape(-1, 4)
        if not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
            raise ValueError(
                "`boxes` must be finite and xyxy with x1 <= x2, y1 <= y2. Received: "
                f"boxes of {key_of(annotation)} that are not."
            )
        size = (int(annotation["height"]), int(annotation["width"]))
        self._boxes[key_of(annotation)] = (size, boxes)

    def of(self, annotation: dict) -> np.ndarray:
        """Proposals (P, 4) of one image.

        Raises:
            DatasetError: if there are none, or they are of an image of another size.
        """
        key = key_of(annotation)
        if key not in self._boxes:
            raise DatasetError(
                f"{key}: field `proposals` must have an entry for every image; this one is "
                "missing. Run `keras-struct propose` on this data set."
            )
        size, boxes = self._boxes[key]
        own = (annotation["height"], annotation["width"])
        if size != own:
            raise DatasetError(
                f"{key}: field `proposals` must be of this image, (height, width) = "
                f"{own}. They are of one of {size}. Run `keras-struct propose` again."
            )
        return boxes

    def save(self, path) -> None:
        """Write all to one file, under a temporary name that is then renamed."""
        names = list(self._boxes)
        found = [self._boxes[name] for name in names]
        arrays = {
            "names": np.array(names, str),
            "sizes": np.array([size for size, _ in found], "int32").reshape(-1, 2),
            "counts": np.array([len(boxes) for _, boxes in found], "int64"),
            "boxes": np.concatenate([np.zeros((0, 4), "float32"), *(b for _, b in found)]),
        }
        path = Path(path)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez_compressed(stream, **arrays)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    @classmethod
    def load(cls, path) -> "Proposals":
        """Read what `save` wrote.

        Raises:
            DatasetError: if the file is missing, damaged or of another kind.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                names, sizes, counts, boxes = (stored[name] for name in _ARRAYS)
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise dataset_error(
                path, "proposals", f"must be a file of `keras-struct propose` ({error})"
            ) from None
        if counts.sum() != len(boxes) or not len(names) == len(sizes) == len(counts):
            raise dataset_error(path, "proposals", "must be whole; its arrays do not fit together")
        parts = np.split(boxes.astype("float32"), np.cumsum(counts)[:-1])
        pairs = zip(names.tolist(), map(tuple, sizes.tolist()), parts, strict=True)
        return cls({name: (size, part) for name, size, part in pairs})


def key_of(annotation: dict) -> str:
    """What an image is known by: the name of its file and of the folder it is in.

    One that is not a file is known by its number.
    """
    if annotation["file"] is None:
        return f"image {annotation['image_id']}"
    path = Path(annotation["file"])
    return f"{path.parent.name}/{path.name}"


class ProposalSource:
    """A source of samples whose images come with proposals.

    Args:
        source: a `FileSource` or the like.
        proposals: `Proposals`.
        count: int, proposals of an image: the best, or all filled up with boxes without area.
    """

    def __init__(self, source, proposals: Proposals, count: int):
        self._source = source
        self._proposals = proposals
        self._count = count
        self.fields = (*source.fields, "proposals")
        for name in ("class_names", "keypoint_names", "label_names", "name", "annotation"):
            setattr(self, name, getattr(source, name))
        for name in ("max_boxes", "mask_runs", "label_map", "validate"):
            if hasattr(source, name):
                setattr(self, name, getattr(source, name))

    def __len__(self) -> int:
        return len(self._source)

    def read(self, index: int, fields) -> dict:
        """One sample; "proposals" (count, 4) float32 where asked for."""
        sample = self._source.read(index, tuple(f for f in fields if f != "proposals"))
        if "proposals" in fields:
            sample["proposals"] = self._best(index)
        return sample

    def loader(self, fields):
        """As `FileSource.loader`, with "proposals" in the head."""
        import tensorflow as tf

        load = self._source.loader(tuple(f for f in fields if f != "proposals"))
        if "proposals" not in fields:
            return load

        def load_all(index):
            best = tf.numpy_function(
                lambda i: self._best(int(i)), [index], tf.float32, stateful=False
            )
            return {**load(index), "proposals": tf.ensure_shape(best, (self._count, 4))}

        return load_all

    def _best(self, index):
        boxes = self._proposals.of(self._source.annotation(index))[: self._count]
        return np.pad(boxes, ((0, self._count - len(boxes)), (0, 0)))
