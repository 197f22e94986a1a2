"""Export a trained model to one int8 file and run it as a device would.

    python examples/export_and_run.py cells.keras voc:cells/ --output=cells.tflite

The suffix of --output chooses the target: .tflite, .onnx or .engine (which runs on a GPU only).
"""

import argparse

import keras

import keras_struct as ks
from keras_struct_edge import load
from keras_struct_export import export


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help=".keras file")
    parser.add_argument("data", help="images for calibration, e.g. voc:cells/ or shapes:100")
    parser.add_argument("--output", default="model.tflite", help="artefact to write")
    parser.add_argument("--precision", default="int8", help="float32, float16 or int8")
    options = parser.parse_args()

    model = keras.saving.load_model(options.model, compile=False)
    data = ks.data.open(options.data)
    few = data.subset(range(min(100, len(data))))
    report = export(
        model,
        options.output,
        precision=options.precision,
        calibration=few.batches(1, image_size=model.image_size, resize=model.resize),
    )
    print(f"{report.path}: {report.size / 1e6:.2f} MB")

    detections = load(options.output)(data[0]["images"])  # boxes in pixels of the image given
    for detection in detections.filter(min_score=0.4):
        print(detection.names[0], detection.scores[0], detection.boxes[0])


if __name__ == "__main__":
    main()
