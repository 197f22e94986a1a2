"""Train a detector on a VOC folder with plain `fit`; the folder holds JPEGImages, Annotations and
ImageSets/Main/train.txt and val.txt.

    python examples/train_detector.py cells/ --output=cells.keras

The ImageNet weights of the backbone make the most of a small data set; --weights=none does without.
"""

import argparse

import keras

import keras_struct as ks


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="VOC folder")
    parser.add_argument("--output", default="detector.keras", help="file to write")
    parser.add_argument("--backbone", default="mobilenet_v2", help="one of ks.backbones.names()")
    parser.add_argument("--weights", default="imagenet", help="imagenet, a file, or none")
    parser.add_argument("--image-size", type=int, default=320, help="network input, pixels")
    parser.add_argument("--batch-size", type=int, default=16, help="images in a step")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the data")
    options = parser.parse_args()

    train = ks.data.voc(options.data, split="train")
    val = ks.data.voc(options.data, split="val", class_names=train.class_names)
    model = ks.models.SSD(
        options.backbone,
        num_classes=len(train.class_names),
        class_names=train.class_names,
        image_size=options.image_size,
        weights=None if options.weights == "none" else options.weights,
    )
    steps = options.epochs * train.steps(options.batch_size)
    rate = ks.training.cosine_schedule(1e-3, steps, warmup_steps=steps // 20)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=5e-4, global_clipnorm=10.0))
    batches = train.batches(options.batch_size, image_size=options.image_size, augment=True)
    model.fit(batches, epochs=options.epochs, shuffle=False, verbose=2)  # they come shuffled
    model.save(options.output)

    numbers = ks.training.evaluate(model, val)
    print({name: round(numbers[name], 4) for name in ("mAP", "mAP_50", "voc12_mAP")})


if __name__ == "__main__":
    main()
