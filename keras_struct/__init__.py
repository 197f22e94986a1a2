"""Structured prediction for Keras 3: boxes, masks, label maps, poses, tracks, words and tags.

import keras_struct as ks

train = ks.data.voc("cells/", split="train")
model = ks.models.SSD("mobilenet_v2", num_classes=len(train.class_names), image_size=320)
model.compile("adamw")
model.fit(train.batches(16, image_size=320, augment=True), epochs=60)
"""

import importlib
import importlib.util

__version__ = "0.1.0"

_PACKAGES = (
    "backbones",
    "data",
    "graphs",
    "inference",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
)
_PACKAGES += ("training",)


def _check_backend() -> None:
    import os

    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend == "tensorflow" and importlib.util.find_spec("tensorflow") is None:
        raise ImportError(
            "keras_struct needs TensorFlow, which is not installed. Install one with "
            "`pip install keras-struct[cpu]` (no GPU) or `pip install keras-struct[gpu]`."
        )


_check_backend()

# They register every layer, loss and optimizer: saved files load without custom objects.
models = importlib.import_module("keras_struct.models")
training = importlib.import_module("keras_struct.training")


def __getattr__(name: str):
    """Load the other packages at their first use: `data` alone needs TensorFlow proper."""
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_PACKAGES, "__version__"])
