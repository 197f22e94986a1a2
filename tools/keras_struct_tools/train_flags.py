"""Flags of `keras-struct train`; what they mean together is in `train_setup`."""

from absl import flags

FLAGS = flags.FlagValues()
NEUTRAL = ("output", "progress")  # the same training under another name


def _define(kind, name, default, text, *arguments, **options):
    kind(name, default, *arguments, text, flag_values=FLAGS, **options)


def _text(name, default, text):
    _define(flags.DEFINE_string, name, default, text)


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
_text("data", None, "Training data: voc:FOLDER, coco:ANNOTATIONS.json,IMAGES or shapes:COUNT.")
_text("output", None, "Run folder to write, or to continue.")
_whole("epochs", 60, "Passes over the training data.", 1)
_whole("batch_size", 16, "Images a step, over all devices.", 1)
_whole("image_size", 320, "Side of the square network input, pixels.", 32)
_text("split", "train", "Split of --data to train on.")
_text("validation_data", None, "Validation data; default: --data.")
_text("validation_split", "val", "Split to validate on, or a fraction (0.2) to take from --split.")
_whole("evaluate_every", 1, "Epochs between evaluations; the last is always evaluated.", 1)
_whole("early_stopping", 0, "Stop after so many evaluations without a better mAP; 0: never.")

_text("backbone_weights", "imagenet", "Start of the backbone: imagenet, a file, or none.")
_choice("default_boxes", "published", ["published", "kmeans"], "Sizes of the default boxes.")
_whole("num_sizes", 8, "Sizes that kmeans looks for, shared out among the levels of a pyramid.", 1)
_switch("pyramid", False, "Predict on a feature pyramid P3..P7: finds small objects.")
_choice("loss", "multibox", ["multibox", "focal"], "Class loss: SSD's own, or the focal loss.")
_choice("resize", "stretch", ["stretch", "letterbox"], "How images come to the input size.")
_number(
    "iou_threshold", 0.45, "Boxes of a class above it suppress each other; more for crowds.", 0, 1
)

_choice("optimizer", "adamw", ["adamw", "adam", "sgd"], "Optimizer; sgd has momentum 0.9.")
_number("learning_rate", 1e-3, "Peak learning rate.", 1e-9)
_choice("schedule", "cosine", ["cosine", "constant"], "Course of the learning rate.")
_number("warmup_epochs", None, "Epochs of rising rate (cosine); default 1, or a tenth of --epochs.")
_number("weight_decay", 5e-4, "Decoupled decay of adamw and sgd; biases and norms have none.")
_number("clip_norm", 10.0, "Greatest global norm of a gradient; 0: any.")
_text("ema", "auto", "Moving average of the weights: its momentum, auto (by length) or off.")
_whole("accumulate_steps", 1, "Batches whose gradients make one step.", 1)

_switch("augment", True, "SSD's augmentation: expand, patches, colours, mirror.")
_number("augment_expand", 4.0, "Largest canvas, in sides of the image; 1: none.", 1.0)
_number("augment_min_scale", 0.3, "Smallest patch, in sides of the image; 1: none.", 1e-3, 1.0)
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
