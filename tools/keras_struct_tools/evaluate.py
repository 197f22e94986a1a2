"""COCO and PASCAL VOC numbers of a model or an artefact on a data set.

    keras-struct evaluate --model=runs/cells --data=voc:cells/
    keras-struct evaluate --model=cells_int8.tflite --data=voc:cells/ --split=test --json=int8.json

The table goes to stdout. -1 means that the data holds no object to find: see
`keras_struct.metrics.DetectionMetrics`. Images pass one batch at a time.
"""

from typing import Any

from absl import flags

from keras_struct_tools import options as reading

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "model",
    None,
    "Run folder, .keras file, or artefact (.tflite, .onnx, .engine).",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "data",
    None,
    "voc:FOLDER, coco:ANNOTATIONS.json,IMAGES or shapes:COUNT.",
    flag_values=FLAGS,
)
flags.DEFINE_string("split", "val", "Split of --data.", flag_values=FLAGS)
flags.DEFINE_integer("images", 0, "Only the first so many images; 0: all.", 0, flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 8, "Images at a time.", 1, flag_values=FLAGS)
flags.DEFINE_integer(
    "threads", None, "CPU threads of an artefact; default: its runtime's.", 1, flag_values=FLAGS
)
flags.DEFINE_string("json", None, "File to write the numbers to.", flag_values=FLAGS)


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("model", "data"))
    from tqdm import tqdm

    from keras_struct.training import evaluate
    from keras_struct_tools.data_specs import open_spec
    from keras_struct_tools.detectors import detector
    from keras_struct_tools.output import write_json

    model = detector(options.model, options.threads)
    dataset = open_spec(options.data, options.split)
    if options.images:
        dataset = dataset.subset(range(min(options.images, len(dataset))))
    batch_size = getattr(model, "batch_size", None) or options.batch_size
    # a bar in a log file is noise: tqdm stays silent there.
    with tqdm(total=len(dataset), unit="image", disable=None) as bar:
        numbers = evaluate(model, dataset, batch_size, lambda done, total: bar.update())
    print(table(numbers))
    if options.json:
        about = {"model": options.model, "data": options.data, "split": options.split}
        write_json(options.json, {**about, "images": len(dataset), **numbers})
    return 0


def table(numbers: dict[str, Any]) -> str:
    """The numbers as text: all classes together, then class by class."""
    lines = [f"{name:<12}{value:>8.4f}" for name, value in numbers.items() if name != "per_class"]
    classes = numbers["per_class"]
    width = max(5, *map(len, classes))
    lines += ["", f"{'class':<{width}}      AP   AP_50  voc12_AP"]
    for name, row in classes.items():
        lines.append(
            f"{name:<{width}}{row['AP']:>8.4f}{row['AP_50']:>8.4f}{row['voc12_AP']:>10.4f}"
        )
    return "\n".join(lines)
