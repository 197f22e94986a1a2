"""Cell nuclei as an ordinary COCO data set: label maps become a `segmentation` for each nucleus.

    python benchmarks/nuclei_to_coco.py --nuclei=data/nuclei --output=nuclei_coco
    keras-struct train --data=coco:nuclei_coco/instances_{split}.json,data/nuclei/images ...

NUCLEI holds images/, labels/ (one 16-bit PNG an image, 0 is the background) and, for each split,
instances_SPLIT.json: COCO without `segmentation`, but with the `label_file` of an image and the
`label_id` of a nucleus in it. The files written are the same with `segmentation`, run lengths in
COCO's compressed text. Afterwards some images are read back and compared with their label maps,
pixel by pixel. --crowd=130 leaves out training images with more nuclei: the masks of a batch have
room for the fullest image, so a few crowded ones would set the memory and time of all.

About 20 seconds for 400 images. Exit status: 1 if a mask read back differs from its label map.
"""

import argparse
import collections
import json
import os
import sys
from pathlib import Path

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from PIL import Image

from keras_struct import data


def read_labels(file: Path) -> np.ndarray:
    """Label map (H, W) of whole numbers, 0 is the background."""
    with Image.open(file) as image:
        return np.asarray(image)


def with_segmentations(content: dict, labels_folder: Path) -> dict:
    """The content of a COCO file whose objects have a `segmentation` from the label maps.

    Raises:
        ValueError: if a label map is not of its image's size or lacks a nucleus.
    """
    by_image = {}
    for item in content["annotations"]:
        by_image.setdefault(item["image_id"], []).append(item)
    annotations = []
    for image in content["images"]:
        file = labels_folder / image["label_file"]
        labels = read_labels(file)
        if labels.shape != (image["height"], image["width"]):
            raise ValueError(
                f"{file}: must have the size of its image, {(image['height'], image['width'])}. "
                f"Received: {labels.shape}."
            )
        for item in by_image.get(image["id"], []):
            annotations.append({**item, "segmentation": _runs(labels, item["label_id"], file)})
    return {**content, "annotations": annotations}


def without_crowds(content: dict, most: int) -> dict:
    """The content of a COCO file without images that have more than `most` objects."""
    counts = collections.Counter(item["image_id"] for item in content["annotations"])
    images = [image for image in content["images"] if counts[image["id"]] <= most]
    kept = {image["id"] for image in images}
    annotations = [item for item in content["annotations"] if item["image_id"] in kept]
    return {**content, "images": images, "annotations": annotations}


def _runs(labels, label_id, file):
    mask = labels == label_id
    if not mask.any():
        raise ValueError(f"{file}: must hold a pixel of `label_id` {label_id}. There is none.")
    runs = coco_mask.encode(np.asfortranarray(mask.astype("uint8")))
    return {"size": list(labels.shape), "counts": runs["counts"].decode("ascii")}


def write_whole(path: Path, content: dict) -> None:
    """Write JSON so that the file is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content), encoding="utf-8")
    os.replace(part, path)


def differing(file: Path, nuclei: Path, most: int) -> int:
    """How many masks of at most `most` images, spread over a file, differ from the label maps."""
    content = json.loads(file.read_text(encoding="utf-8"))
    dataset = data.coco(file, nuclei / "images")
    chosen = np.linspace(0, len(dataset) - 1, min(most, len(dataset))).astype(int)
    wrong = 0
    for index in chosen.tolist():
        image = content["images"][index]
        labels = read_labels(nuclei / "labels" / image["label_file"])
        own = [item for item in content["annotations"] if item["image_id"] == image["id"]]
        masks = dataset.read(index, "instance_masks")["instance_masks"]
        for item, mask in zip(own, masks, strict=True):
            wrong += not np.array_equal(mask == 1, labels == item["label_id"])
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nuclei", type=Path, required=True, help="folder of the nuclei")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--splits", default="train,val", help="separated by commas")
    parser.add_argument("--crowd", type=int, help="most nuclei of a training image; default: any")
    parser.add_argument("--check", type=int, default=20, help="images of a split to read back")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for split in options.splits.split(","):
        name = f"instances_{split}.json"
        content = json.loads((options.nuclei / name).read_text(encoding="utf-8"))
        if split == "train" and options.crowd is not None:
            content = without_crowds(content, options.crowd)
        content = with_segmentations(content, options.nuclei / "labels")
        write_whole(options.output / name, content)
        found = differing(options.output / name, options.nuclei, options.check)
        print(
            f"{options.output / name}: {len(content['images'])} images, "
            f"{len(content['annotations'])} nuclei; of those read back {found} differ"
        )
        wrong += found
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
