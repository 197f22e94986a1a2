"""From nothing to a measured detector, in one go: what `make demo` runs.

Trains a small SSD from random weights on drawn shapes, evaluates it on shapes it has not seen,
exports it to LiteRT, ONNX and TensorRT, runs an artefact in a process without TensorFlow, and ends
with a table and a report of speed, size, memory and accuracy of every artefact.

    python examples/demo.py --output=demo

Exits with 1 if the accuracy is below its goal or an artefact could not be made or measured.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

BATCH_SIZE = 16
GOAL = 0.85  # mAP at IoU 0.5 on unseen shapes


def train(options, output: Path):
    """Train on images drawn on the fly: every one is seen once."""
    import keras

    import keras_struct as ks
    from keras_struct_tools.train_boxes import network_sizes

    keras.utils.set_random_seed(0)
    data = ks.data.shapes(options.steps * BATCH_SIZE)
    sizes, _ = network_sizes(data.subset(range(min(400, len(data)))), options.image_size, "stretch")
    model = ks.models.SSD(
        "mobilenet_v1_025",
        num_classes=len(data.class_names),
        class_names=data.class_names,
        image_size=options.image_size,
        default_boxes=ks.models.ssd.fit_default_boxes(sizes)[0],
        pyramid=True,
        loss="focal",
    )
    rate = ks.training.cosine_schedule(3e-3, options.steps, warmup_steps=options.steps // 20)
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=1e-4, global_clipnorm=10.0, use_ema=True, ema_momentum=0.99
    )
    model.compile(optimizer, jit_compile=False)
    # ten lines of progress, whatever the number of steps
    epochs = min(10, options.steps)
    model.fit(
        data.batches(BATCH_SIZE, image_size=model.image_size, epochs=1),
        epochs=epochs,
        steps_per_epoch=options.steps // epochs,
        shuffle=False,  # the images come in any order already
        verbose=2,
    )
    with ks.training.averaged_weights(model):
        model.save(output / "shapes.keras")
    return keras.saving.load_model(output / "shapes.keras", compile=False)


def benchmark_command(output: Path, options) -> list[str]:
    """Return the command that exports and measures."""
    return [
        str(Path(sys.executable).with_name("keras-struct")), "benchmark",
        f"--model={output / 'shapes.keras'}", f"--data=shapes:{options.images}", "--split=test",
        f"--targets={options.targets}", f"--precisions={options.precisions}", "--threads=1,2",
        f"--report={output / 'report.html'}", f"--json={output / 'report.json'}",
        f"--output={output}",
    ]  # fmt: skip


def look(output: Path, precision: str, count: int = 6) -> int:
    """Save pictures nobody trained on and run an artefact on them, without TensorFlow."""
    from PIL import Image

    import keras_struct as ks

    unseen = ks.data.open(f"shapes:{count}", split="test")
    files = []
    for index in range(count):
        files.append(str(output / f"shapes-{index}.png"))
        Image.fromarray(unseen[index]["images"]).save(files[-1])
    script = Path(__file__).with_name("run_without_tensorflow.py")
    artefact = output / f"shapes-litert-{precision}.tflite"
    command = [sys.executable, str(script), str(artefact), *files]
    return subprocess.run([*command, f"--output={output / 'picture.png'}"]).returncode


def arguments() -> argparse.ArgumentParser:
    """Return the arguments of the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder to write")
    parser.add_argument("--steps", type=int, default=2500, help="training steps of 16 images")
    parser.add_argument("--image-size", type=int, default=128, help="network input, pixels")
    parser.add_argument("--images", type=int, default=200, help="unseen images to evaluate on")
    parser.add_argument("--goal", type=float, default=GOAL, help="mAP at IoU 0.5 to reach")
    parser.add_argument("--targets", default="litert,onnx,tensorrt", help="what to export to")
    parser.add_argument("--precisions", default="float32,int8", help="in which precisions")
    return parser


def main() -> int:
    """Run the demo."""
    options = arguments().parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    def say(text: str) -> None:
        print(f"\n[{time.perf_counter() - start:4.0f} s] {text}", flush=True)

    say(f"1/4  Training on {options.steps * BATCH_SIZE} drawn images ...")
    model = train(options, options.output)

    from keras_struct import data, training

    say(f"2/4  Evaluating on {options.images} images it has not seen ...")
    unseen = data.open(f"shapes:{options.images}", split="test")
    accuracy = training.evaluate(model, unseen)["mAP_50"]
    print(f"mAP at IoU 0.5: {accuracy:.3f} (goal {options.goal})")

    say("3/4  Exporting to " + options.targets + ", and measuring every file ...")
    measured = subprocess.run(
        benchmark_command(options.output, options), stdout=subprocess.PIPE, text=True
    )

    say("4/4  Running an artefact without TensorFlow ...")
    looked = look(options.output, options.precisions.split(",")[-1])

    say("All of it:")
    print(measured.stdout)
    print(f"mAP at IoU 0.5 in Keras: {accuracy:.3f}")
    if measured.returncode or looked or accuracy < options.goal:
        say("Something is not as it should be: see above.")
        return 1
    say(f"Open {options.output / 'report.html'} and {options.output / 'picture.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
