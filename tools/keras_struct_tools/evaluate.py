"""The numbers of a model or an artefact on a data set.

    keras-struct evaluate --model=runs/cells --data=voc:cells/
    keras-struct evaluate --model=cells_int8.tflite --data=voc:cells/ --split=test --json=int8.json
    keras-struct evaluate --model=runs/streets --data=camvid:streets/ --scales=0.75,1,1.25 --flip

Detections get those of COCO and PASCAL VOC, with COCO's of masks and keypoints where the model
gives them and the data is annotated for them, label maps mean IoU, accuracy and boundary F: see
`DetectionMetrics` and `SegmentationMetrics` of `keras_struct.metrics`. The table goes to stdout; -1
means that the data holds nothing of that class. Images pass one batch at a time.
"""

from typing import Any

from absl import flags

from keras_struct_tools import crf_flags
from keras_struct_tools import options as reading
from keras_struct_tools.data_specs import DATA_FORMS

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "model",
    None,
    "Run folder, .keras file, or artefact (.tflite, .onnx, .engine).",
    flag_values=FLAGS,
)
flags.DEFINE_string("data", None, f"{DATA_FORMS}.", flag_values=FLAGS)
flags.DEFINE_string("split", "val", "Split of --data.", flag_values=FLAGS)
flags.DEFINE_integer("images", 0, "Only the first so many images; 0: all.", 0, flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 8, "Images at a time.", 1, flag_values=FLAGS)
flags.DEFINE_list(
    "scales",
    None,
    "Sizes to average label maps over, 1 the model's own, such as 0.75,1,1.25.",
    flag_values=FLAGS,
)
flags.DEFINE_boolean("flip", False, "Average label maps over mirror images.", flag_values=FLAGS)
flags.DEFINE_string(
    "proposals",
    None,
    "File of `keras-struct propose`, for models that take them.",
    flag_values=FLAGS,
)
crf_flags.define(FLAGS, ("post",))
flags.DEFINE_integer(
    "threads", None, "CPU threads of an artefact; default: its runtime's.", 1, flag_values=FLAGS
)
flags.DEFINE_string("json", None, "File to write the numbers to.", flag_values=FLAGS)


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("model", "data"))
    crf = crf_flags.layer(options)
    averaging = {"scales": reading.numbers("scales", options.scales), "flip": options.flip}
    from tqdm import tqdm

    from keras_struct.training import evaluate
    from keras_struct_tools.data_specs import open_spec, with_proposals
    from keras_struct_tools.model_files import function
    from keras_struct_tools.output import write_json

    model = function(options.model, options.threads, crf)
    dataset = with_proposals(open_spec(options.data, options.split), options.proposals, model)
    if options.images:
        dataset = dataset.subset(range(min(options.images, len(dataset))))
    batch_size = getattr(model, "batch_size", None) or options.batch_size
    # a bar in a log file is noise: tqdm stays silent there.
    with tqdm(total=len(dataset), unit="image", disable=None) as bar:
        advance = lambda done, total: bar.update()  # noqa: E731
        numbers = evaluate(model, dataset, batch_size, advance, **averaging)
    print(table(numbers))
    if options.json:
        about = {"model": options.model, "data": options.data, "split": options.split}
        write_json(options.json, {**about, "images": len(dataset), **numbers})
    return 0


def table(numbers: dict[str, Any]) -> str:
    """The numbers as text: all classes together, then class by class."""
    named = {name: value for name, value in numbers.items() if name != "per_class"}
    widest = max(15, *(len(name) + 1 for name in named))
    lines = [f"{name:<{widest}}{value:>8.4f}" for name, value in named.items()]
    classes = numbers["per_class"]
    width = max(5, *map(len, classes))
    columns = list(next(iter(classes.values())))
    widths = [max(8, len(column) + 2) for column in columns]
    head = "".join(f"{column:>{size}}" for column, size in zip(columns, widths, strict=True))
    lines += ["", f"{'class':<{width}}{head}"]
    for name, row in classes.items():
        values = zip(columns, widths, strict=True)
        lines.append(
            f"{name:<{width}}" + "".join(f"{row[column]:>{size}.4f}" for column, size in values)
        )
    return "\n".join(lines)
