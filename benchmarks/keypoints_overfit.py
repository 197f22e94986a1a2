r"""Learn the people of sixteen images by heart with Mask R-CNN's keypoint head.

The first sixteen images of a COCO file of person keypoints that have a person with keypoints,
without augmentation; then the same images are judged (object keypoint similarity, COCO's own
evaluation). It says nothing about new images: it shows that targets, loss and decoding agree.

    python benchmarks/keypoints_overfit.py --data=coco:person_keypoints.json,images \
        --weights=mobilenet_v2_imagenet_no_top.weights.h5 --output=runs/poses.keras

About 20 minutes on one core. Exit status: 0 if the keypoint AP reaches 0.9.
"""

import argparse
import sys

import keras
import numpy as np

from keras_struct import data, models, training
from keras_struct.training.files import replacing

GOAL, IMAGES, KEYPOINTS = 0.9, 16, 17


def with_people(dataset, most):
    """The first images that have a person with keypoints."""
    seen = (
        index
        for index in range(len(dataset))
        if np.any(dataset.annotation(index)["keypoints"][..., 2] > 0)
    )
    return dataset.subset([index for index, _ in zip(seen, range(most), strict=False)])


def network(options):
    return models.MaskRCNN(
        "mobilenet_v2", 1, options.size, weights=options.weights, class_names=["person"],
        masks=False, num_keypoints=KEYPOINTS, keypoint_width=128, width=96, units=256,
        canonical_size=160, anchor_scales=(4, 8), num_proposals=(300, 100),
        num_decoded=(600, 400), regions_per_image=48, freeze_batch_norm=True,
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="coco:KEYPOINTS.json,IMAGES")
    parser.add_argument("--weights", help="of the backbone, a file or imagenet")
    parser.add_argument("--size", type=int, default=320, help="pixels of a side")
    parser.add_argument("--epochs", type=int, default=200, help="of four steps")
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--output", help=".keras file to write")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    dataset = with_people(data.open(options.data), IMAGES)
    model = network(options)
    steps = 4 * options.epochs
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=options.learning_rate, warmup_steps=steps // 20
    )
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=10.0))
    batches = dataset.batches(
        4, options.size, fields=model.fields, shuffle=True, epochs=options.epochs
    )
    model.fit(batches, epochs=options.epochs, steps_per_epoch=4, verbose=2, shuffle=False)
    if options.output:
        with replacing(options.output) as temporary:
            model.save(temporary)
    found = training.evaluate(model, dataset)
    for name in ("mAP", "keypoint_mAP", "keypoint_mAP_50", "keypoint_mAP_75"):
        print(f"{name:16} {found[name]:.3f}")
    return int(found["keypoint_mAP"] < GOAL)


if __name__ == "__main__":
    sys.exit(main())
