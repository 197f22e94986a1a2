"""Flags of `keras-struct train`; what they mean together is in the modules that use them."""

from typing import Any

from absl import flags

from keras_struct_tools import crf_flags
from keras_struct_tools.data_specs import DATA_FORMS
from keras_struct_tools.options import size

FLAGS = flags.FlagValues()
NEUTRAL = ("output", "progress")  # the same training under another name

# What a flag is worth where it is not given, by the task of the model.
DEFAULTS: dict[str, dict[str, Any]] = {
    "detection": {"image_size": "320", "batch_size": 16, "weight_decay": 5e-4},
    "segmentation": {"image_size": "256", "batch_size": 8, "weight_decay": 1e-3},
}
# Flags that one task has, and no other.
OWN_FLAGS: dict[str, tuple[str, ...]] = {
    "detection": ("num_sizes", "proposals", "augment_expand", "augment_min_scale"),
    "segmentation": ("crop_size", "augment_scale", "augment_focus", "crf_rate"),
}
OWN_FLAGS["segmentation"] += crf_flags.define(FLAGS, ("post", "joint"))


def complete(options: Any, task: str) -> None:
    """Give the flags that were not given the values that suit a task, and read sizes.

    Raises:
        absl.flags.Error: if a flag of another task was given, or one that has no use beside others.
    """
    foreign = [name for other, own in OWN_FLAGS.items() if other != task for name in own]
    for name in foreign:
        if options[name].present:
            raise flags.Error(
                f"`--{name}` must not come with a model of the task {task!r}. "
                f"Received: --{name}={options[name].value}. Leave it out."
            )
    for name, value in DEFAULTS[task].items():
        if options[name].value is None:
            options[name].value = value
    for name in ("image_size", "crop_size"):
        if options[name].value is not None:
            options[name].value = size(name, options[name].value)
    without = {"warmup_epochs": options.schedule == "cosine"}
    without |= {name: options.augment for name in options if name.startswith("augment_")}
    for name, useful in without.items():
        if options[name].present and not useful:
            switch = (
                "--noaugment" if name.startswith("augment_") else f"--schedule={options.schedule}"
            )
            raise flags.Error(f"`--{name}` must not come with {switch}, which has no use for it.")


def _define(kind, name, default, text, *arguments, **options):
    if name in DEFAULTS["detection"]:
        default = None
        text += " Default: " + ", ".join(f"{own[name]} ({task})" for task, own in DEFAULTS.items())
        text += "."
    kind(name, default, *arguments, text, flag_values=FLAGS, **options)


def _text(name, default, text):
    _define(flags.DEFINE_string, name, default, text)


def _list(name, default, text):
    _define(flags.DEFINE_list, name, default, text)


def _switch(name, default, text):
    _define(flags.DEFINE_boolean, name, default, text)


def _whole(name, default, text, least=0):
    _define(flags.DEFINE_integer, name, default, text, lower_bound=least)


def _number(name, default, text, least=0.0, most=None):
    _define(flags.DEFINE_float, name, default, text, lower_bound=least, upper_bound=most)


def _choice(name, default, choices, text):
    flags.DEFINE_enum(name, default, choices, text, flag_values=FLAGS)


_text(
    "model",
    None,
    "What to train: a name such as ssd_mobilenet_v2 (a wrong one lists them all), or a .keras file "
    "or run folder to start from.",
)
_text("data", None, f"Training data: {DATA_FORMS}.")
_text("output", None, "Run folder to write, or to continue.")
_whole("epochs", 60, "Passes over the training data.", 1)
_whole("batch_size", None, "Images a step, over all devices.", 1)
_text("image_size", None, "Network input, pixels: one number for a square, or HEIGHTxWIDTH.")
_text("split", "train", "Split of --data to train on.")
_text("validation_data", None, "Validation data; default: --data.")
_text("validation_split", "val", "Split to validate on, or a fraction (0.2) to take from --split.")
_whole("evaluate_every", 1, "Epochs between evaluations; the last is always evaluated.", 1)
_whole(
    "early_stopping", 0, "Stop after so many evaluations without a better mAP or mIoU; 0: never."
)

_text("backbone_weights", "imagenet", "Start of the backbone: imagenet, a file, or none.")
flags.DEFINE_multi_string(
    "model_option",
    [],
    "Further argument of the model's class as NAME=VALUE, such as output_stride=8; several times.",
    flag_values=FLAGS,
)
_text(
    "loss",
    None,
    "Detection: multibox (SSD's own) or focal. Label maps: cross_entropy, dice, ..., joined by +.",
)
_choice("resize", "stretch", ["stretch", "letterbox"], "How images come to the input size.")
_choice(
    "default_boxes", "published", ["published", "kmeans"], "Detection: sizes of the default boxes."
)
_whole(
    "num_sizes",
    8,
    "Detection: sizes that kmeans looks for, shared out among the levels of a pyramid.",
    1,
)
_switch("pyramid", False, "Detection: predict on a feature pyramid P3..P7: finds small objects.")
_number(
    "iou_threshold",
    0.45,
    "Detection: boxes of a class above it suppress each other; more for crowds.",
    0,
    1,
)
_text("proposals", None, "Detection: file of `keras-struct propose`, for fast_rcnn and spp_net.")
_text("crop_size", None, "Label maps: what a training batch shows, as --image_size, its default.")
_list(
    "class_weights",
    None,
    "Label maps: weight of a class's pixels: none, inverse (of its pixels), sqrt (of that), or one "
    "number for each class.",
)

_choice("optimizer", "adamw", ["adamw", "adam", "sgd"], "Optimizer; sgd has momentum 0.9.")
_number("learning_rate", 1e-3, "Peak learning rate.", 1e-9)
_number("backbone_rate", 1.0, "Learning rate of the backbone, over that of the rest.")
_number("crf_rate", 1.0, "Learning rate of a CRF trained jointly, over that of the rest.")
_switch(
    "freeze_batch_norm",
    False,
    "Label maps and regions: leave the batch norms of the backbone as they are.",
)
_choice("schedule", "cosine", ["cosine", "poly", "constant"], "Course of the learning rate.")
_number("warmup_epochs", None, "Epochs of rising rate (cosine); default 1, or a tenth of --epochs.")
_number("weight_decay", None, "Decoupled decay of adamw and sgd; biases and norms have none.")
_number("clip_norm", 10.0, "Greatest global norm of a gradient; 0: any.")
_text("ema", "auto", "Moving average of the weights: its momentum, auto (by length) or off.")
_whole("accumulate_steps", 1, "Batches whose gradients make one step.", 1)

_switch("augment", True, "Augmentation: geometry, colours, mirror.")
_number("augment_expand", 4.0, "Detection: largest canvas, in sides of the image; 1: none.", 1.0)
_number(
    "augment_min_scale",
    0.3,
    "Detection: smallest patch, in sides of the image; 1: none.",
    1e-3,
    1.0,
)
_list(
    "augment_scale",
    ["0.5", "2"],
    "Label maps: least and greatest size of an image, over its size in --image_size.",
)
_number(
    "augment_focus",
    0.0,
    "Label maps: share of crops that are put on a class drawn at random.",
    0.0,
    1.0,
)
_number("augment_photometric", 1.0, "Strength of the colour distortion; 0: none.", 0.0, 1.0)
_switch("augment_flip", True, "Mirror left and right.")
_switch("augment_vertical_flip", False, "Mirror top and bottom.")

_choice(
    "mixed_precision", "none", ["none", "float16", "bfloat16"], "Compute type on top of float32."
)
_choice(
    "strategy",
    "auto",
    ["auto", "none", "mirrored", "multiworker"],
    "Devices: auto takes all GPUs of the machine; multiworker reads TF_CONFIG, start it on each.",
)
_choice("jit", "auto", ["auto", "on", "off"], "Compile steps with XLA; auto: where there is a GPU.")
_whole("seed", 0, "Start of all randomness.")
_switch("deterministic", False, "Same bits in every run (slower on a GPU).")
_whole("gallery", 12, "Images in gallery.png; 0: none.")
_choice("progress", "auto", ["auto", "bar", "line", "none"], "What is shown of the epochs.")
