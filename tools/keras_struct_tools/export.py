r"""Turn a trained model into one file for a device.

    keras-struct export --model=runs/cells --target=litert
    keras-struct export --model=runs/cells --target=litert --precision=int8 --calibration=voc:cells/
    keras-struct export --model=runs/cells/model.keras --target=onnx --output=cells.onnx
    keras-struct export --model=runs/streets --target=litert --crf=post --crf_filter=local \
        --crf_spatial=1,1 --crf_bilateral=20,5,3

Without --output the file goes beside the model, as MODEL_PRECISION with the target's suffix.
"""

from pathlib import Path
from typing import Any

from absl import flags

from keras_struct_tools import crf_flags
from keras_struct_tools import options as reading

FLAGS = flags.FlagValues()
flags.DEFINE_string("model", None, "Run folder or .keras file.", flag_values=FLAGS)
flags.DEFINE_enum(
    "target", None, ["litert", "onnx", "tensorrt"], "Runtime of the device.", flag_values=FLAGS
)
flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "float16", "int8"],
    "Precision of the network.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "calibration", None, "Data whose images int8 is calibrated on.", flag_values=FLAGS
)
flags.DEFINE_string("split", "train", "Split of --calibration.", flag_values=FLAGS)
flags.DEFINE_integer(
    "calibration_images", 100, "Images for calibration, spread over it.", 1, flag_values=FLAGS
)
flags.DEFINE_integer("batch_size", 1, "Images the file takes at a time.", 1, flag_values=FLAGS)
flags.DEFINE_boolean(
    "decoder", True, "Put decoding and non-maximum suppression into the file.", flag_values=FLAGS
)
flags.DEFINE_boolean(
    "probabilities", False, "Class probabilities beside a label map.", flag_values=FLAGS
)
crf_flags.define(FLAGS, ("post",))
flags.DEFINE_string("output", None, "File to write.", flag_values=FLAGS)

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", "tensorrt": ".engine"}


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("model",))
    path, target = _destination(options)
    if options.precision == "int8" and not options.calibration:
        raise flags.Error("`--calibration` must be given for --precision=int8, e.g. voc:cells/.")
    from keras_struct_export import export
    from keras_struct_tools.measure_artefacts import model_file
    from keras_struct_tools.model_files import load_keras, with_crf

    model = with_crf(load_keras(_keras_file(model_file(options.model))), crf_flags.layer(options))
    export(
        model,
        path,
        target=target,
        precision=options.precision,
        calibration=_calibration(options, model),
        batch_size=options.batch_size,
        decoder=options.decoder,
        decoder_options=_decoder_options(options, model),
    )
    print(f"{path}: {target}, {options.precision}, {path.stat().st_size / 2**20:.2f} MiB")
    return 0


def _destination(options: Any) -> tuple[Path, str]:
    """The file to write and its target; either may follow from the other."""
    by_suffix = {suffix: target for target, suffix in SUFFIXES.items()}
    if options.output is None:
        if options.target is None:
            raise flags.Error("`--target` or `--output` must be given. See --help.")
        model = Path(options.model)
        stem = model / "model" if model.is_dir() else model.with_suffix("")
        name = f"{stem.name}_{options.precision}{SUFFIXES[options.target]}"
        return stem.with_name(name), options.target
    path = Path(options.output)
    target = by_suffix.get(path.suffix)
    if target is None or (options.target or target) != target:
        raise flags.Error(
            f"`--output` must end in the suffix of its target, {SUFFIXES}. "
            f"Received: --output={path}, --target={options.target}."
        )
    return path, target


def _keras_file(path: Path) -> Path:
    if path.suffix != ".keras":
        raise ValueError(
            f"`--model` must be a run folder or a .keras file. Received: --model={path}, "
            "which is exported already."
        )
    return path


def _decoder_options(options: Any, model: Any) -> dict | None:
    if not options.probabilities:
        return None
    task = model.card()["task"]
    if task != "segmentation":
        raise ValueError(
            f"`--probabilities` is for models that give label maps. Received: a model for {task}."
        )
    return {"probabilities": True}


def _calibration(options: Any, model: Any) -> Any:
    if not options.calibration:
        return None
    import numpy as np

    from keras_struct_tools.data_specs import open_spec

    dataset = open_spec(options.calibration, options.split)
    count = min(options.calibration_images, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).astype(int)
    return dataset.subset(chosen.tolist()).batches(1, model.image_size, resize=model.resize)
