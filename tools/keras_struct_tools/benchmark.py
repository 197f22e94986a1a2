"""`keras-struct benchmark`: speed, size, memory and accuracy of every artefact of a model.

    keras-struct benchmark --model=runs/cells --data=voc:cells/ --report=report.html

Exits with 0 if every row could be measured as far as this machine can, with 1 if a row failed.
"""

import shlex
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from absl import flags

from keras_struct_tools import options
from keras_struct_tools.data_specs import open_spec
from keras_struct_tools.output import write_json

FLAGS = flags.FlagValues()
flags.DEFINE_multi_string(
    "model",
    [],
    "Output folder of `keras-struct train`, .keras file, or artefact; may be given several times.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "data",
    None,
    "Images to measure on, e.g. voc:FOLDER, camvid:FOLDER or shapes:200.",
    flag_values=FLAGS,
)
flags.DEFINE_string("split", "val", "Split of --data to measure on.", flag_values=FLAGS)
flags.DEFINE_string(
    "calibration",
    None,
    "Images int8 is calibrated on; by default the split `train` of --data.",
    flag_values=FLAGS,
)
flags.DEFINE_list("targets", ["litert"], "Targets: litert, onnx, tensorrt.", flag_values=FLAGS)
flags.DEFINE_list(
    "precisions", ["float32"], "Precisions: float32, float16, int8.", flag_values=FLAGS
)
flags.DEFINE_list("threads", ["1"], "Numbers of threads, one row each.", flag_values=FLAGS)
flags.DEFINE_integer(
    "images", 200, "Images the accuracy is measured on; 0 is all.", 0, flag_values=FLAGS
)
flags.DEFINE_integer("runs", 60, "Timed runs of each row.", 1, flag_values=FLAGS)
flags.DEFINE_integer("warmup", 5, "Untimed runs before, in each process.", 0, flag_values=FLAGS)
flags.DEFINE_integer("rounds", 3, "Processes each row is spread over.", 1, flag_values=FLAGS)
flags.DEFINE_boolean("keras", True, "Also measure model.predict.", flag_values=FLAGS)
flags.DEFINE_string("report", None, "HTML file to write.", flag_values=FLAGS)
flags.DEFINE_string("json", None, "JSON file to write.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder to keep the artefacts in.", flag_values=FLAGS)

CALIBRATION_IMAGES = 64
PICTURES = 8


def parse_choices(flag: str, values: list[str], allowed: tuple[str, ...]) -> list[str]:
    """Return the values without repeats, or say which ones are allowed."""
    for value in values:
        if value not in allowed:
            raise flags.Error(
                f"`--{flag}` must be made of {allowed}. Received: --{flag}={','.join(values)}. "
                f"There is no {value!r}."
            )
    return list(dict.fromkeys(values))


def parse_threads(values: list[str]) -> tuple[int, ...]:
    """Return the numbers of threads, or say what is wrong."""
    if not values or not all(value.isdigit() and int(value) > 0 for value in values):
        raise flags.Error(
            "`--threads` must be numbers of at least 1, separated by commas. "
            f"Received: --threads={','.join(values)}. Give for example --threads=1,2."
        )
    return tuple(dict.fromkeys(int(value) for value in values))


def collect_artefacts(chosen, folder: Path, calibration, gpu, advance) -> list:
    """Return the artefacts to measure: given ones, exported ones and the models themselves."""
    import keras

    import keras_struct  # noqa: F401 (registers the classes the file names)
    from keras_struct_tools import measure_artefacts as source
    from keras_struct_tools.measure_rows import Artefact

    files = [source.model_file(path) for path in chosen.model]
    artefacts = []
    for name, file in zip(source.model_names(files), files, strict=True):
        if file.suffix != ".keras":
            artefacts.append(source.given_artefact(name, file))
            advance(file.name)
            continue
        try:
            model = keras.saving.load_model(file, compile=False)
        except Exception as error:  # a damaged file must not cost the rows of the other models
            reason = f"cannot be loaded: {type(error).__name__}: {error}"
            artefacts.append(Artefact(name, "keras", "float32", reason=reason))
            continue
        if chosen.keras:
            task = model.card()["task"]
            artefacts.append(Artefact(name, "keras", "float32", task, file, network=file))
        batches = _calibration(calibration, model) if calibration else None
        # engines come last: the ONNX files they are described by are there then.
        for target in sorted(chosen.targets, key=lambda target: target == "tensorrt"):
            runs = target != "tensorrt" or gpu is not None
            for precision in chosen.precisions:
                pair = (target, precision)
                artefact = source.export_artefact(model, name, pair, folder, batches, runs)
                artefacts.append(artefact)
                advance(artefact.key)
    return artefacts


def _calibration(dataset, model) -> Callable:
    count = min(CALIBRATION_IMAGES, len(dataset))
    few = dataset.for_task(model.card()["task"]).subset(range(count))
    return lambda: few.batches(1, image_size=model.image_size, resize=model.resize)


def open_data(chosen) -> tuple:
    """Return the data to measure on, and the data for calibration where it is needed."""
    dataset = open_spec(chosen.data, chosen.split)
    if chosen.images and chosen.images < len(dataset):
        dataset = dataset.subset(range(chosen.images))
    calibration = None
    if "int8" in chosen.precisions:
        calibration = open_spec(chosen.calibration or chosen.data, "train")
    return dataset, calibration


def gallery_items(bench, total: int, keys: list[str]) -> list[dict]:
    """Return a few pictures, evenly spread over the data, with what each artefact found."""
    count = min(PICTURES, total)
    items = []
    for index in (round(k * (total - 1) / max(1, count - 1)) for k in range(count)):
        layers = {key: bench.prediction(key, index) for key in keys}
        layers["truth"] = bench.truth(index)
        items.append({"image": bench.image(index), "layers": layers})
    return items


def run(chosen, command: str) -> tuple[dict, list[dict]]:
    """Measure everything the flags ask for.

    Returns:
        The document that `--json` writes, and the pictures of the report.
    """
    from tqdm import tqdm

    from keras_struct_tools.measure import Bench, Effort
    from keras_struct_tools.measure_accuracy import common_task
    from keras_struct_tools.measure_machine import describe_machine

    effort = Effort(chosen.warmup, chosen.runs, chosen.rounds, chosen.threads)
    machine = describe_machine()
    dataset, calibration = open_data(chosen)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kept = Path(chosen.output) if chosen.output else scratch / "artefacts"
        kept.mkdir(parents=True, exist_ok=True)
        # a bar in a log file is noise: tqdm stays silent there.
        bar = stack.enter_context(tqdm(unit="step", disable=None))

        def advance(words: str) -> None:
            bar.set_description(words)
            bar.update()

        artefacts = collect_artefacts(chosen, kept, calibration, machine["gpu"], advance)
        task = common_task([artefact.task for artefact in artefacts], dataset.fields)
        dataset = dataset.for_task(task)
        bench = Bench(dataset, scratch, effort, machine["gpu"], task)
        bar.reset(total=bench.steps(artefacts))
        rows = bench.measure(artefacts, advance)
        items = gallery_items(bench, len(dataset), list(bench.predictions))
    document = {
        "format": "keras_struct_benchmark",
        "version": 1,
        "created": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": command,
        "task": bench.task,
        "accuracy": bench.accuracy_names,
        "machine": machine,
        "data": {
            "spec": chosen.data,
            "split": chosen.split,
            "images": len(dataset),
            "class_names": list(dataset.class_names),
        },
        "method": {
            "warmup": effort.warmup,
            "runs": effort.runs,
            "rounds": effort.rounds,
            "threads": list(effort.threads),
            "batch_size": 1,
        },
        "rows": [row.as_dict() for row in rows],
    }
    return document, items


def parse(argv: list[str]) -> flags.FlagValues:
    """Read the flags; check what can be checked before anything is loaded."""
    from keras_struct_tools.measure_rows import SUFFIXES

    chosen = options.parse(FLAGS, argv, required=("model", "data"))
    chosen["targets"].value = parse_choices("targets", chosen.targets, tuple(SUFFIXES))
    precisions = ("float32", "float16", "int8")
    chosen["precisions"].value = parse_choices("precisions", chosen.precisions, precisions)
    chosen["threads"].value = parse_threads(chosen.threads)
    for name in ("report", "json"):
        parent = Path(chosen[name].value or ".").parent
        if not parent.is_dir():
            raise flags.Error(f"`--{name}` must be in a folder that exists. Received: {parent}.")
    return chosen


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    chosen = parse(argv)
    from keras_struct_tools.report import write_report
    from keras_struct_tools.report_table import terminal_table

    document, items = run(chosen, shlex.join(["keras-struct", *argv]))
    print(terminal_table(document))
    if chosen.json:
        write_json(chosen.json, document)
    if chosen.report:
        write_report(document, items, chosen.report)
        print(f"\nReport: {chosen.report}")
    return int(any(row["status"] == "failed" for row in document["rows"]))
