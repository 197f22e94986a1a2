"""Train a model of label maps with plain `fit`, on shapes drawn by the library; then ask it twice.

    python examples/train_segmentation.py --output=shapes.keras

For your own images, put `ks.data.label_maps(folder, split="train")` in the place of the shapes: the
folder holds train/images, train/labels, the same for val, and classes.txt. The ImageNet weights of
the backbone make the most of a small data set; --weights=none does without.
"""

import argparse

import keras

import keras_struct as ks


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="segmentation.keras", help="file to write")
    parser.add_argument("--backbone", default="mobilenet_v2", help="one of ks.backbones.names()")
    parser.add_argument("--weights", default="imagenet", help="imagenet, a file, or none")
    parser.add_argument("--image-size", type=int, default=192, help="network input, pixels")
    parser.add_argument("--images", type=int, default=400, help="shapes pictures to train on")
    parser.add_argument("--batch-size", type=int, default=8, help="images in a step")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data")
    options = parser.parse_args()

    size, batch_size = options.image_size, options.batch_size
    train = ks.data.shapes(options.images, size).for_task("segmentation")
    val = ks.data.shapes(40, size, first=10**6).for_task("segmentation")
    pixels = ks.data.class_frequencies(train)
    model = ks.models.UNet(
        options.backbone,
        num_classes=len(train.class_names),
        class_names=train.class_names,
        class_weights=(pixels.sum() / pixels) ** 0.5,  # rare classes count more
        image_size=size,
        weights=None if options.weights == "none" else options.weights,
    )
    steps = options.epochs * train.steps(batch_size)
    rate = ks.training.cosine_schedule(2e-3, steps, warmup_steps=steps // 20)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3, global_clipnorm=10.0)
    if options.weights != "none":  # trained weights need smaller steps than new ones
        backbone = model.get_layer(options.backbone)
        ks.training.rate_factors(optimizer, {backbone: 0.3})
    model.compile(optimizer)
    batches = train.batches(batch_size, image_size=size, augment=True)
    evaluation = ks.training.Evaluation(val, batch_size, every=5)  # val_mIoU and more in the logs
    model.fit(batches, epochs=options.epochs, callbacks=[evaluation], shuffle=False, verbose=2)
    model.save(options.output)

    averaged = {"scales": (0.75, 1.0, 1.25), "flip": True}
    for name, asked in {"as it is": {}, "three sizes, mirrored": averaged}.items():
        numbers = ks.training.evaluate(model, val, **asked)
        shown = {key: round(numbers[key], 4) for key in ("mIoU", "pixel_accuracy", "boundary_F")}
        print(f"{name}: {shown}")


if __name__ == "__main__":
    main()
