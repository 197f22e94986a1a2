"""Models by name, for the command line and configuration files."""

import dataclasses
import functools
import inspect

from keras_struct import backbones
from keras_struct.models.labelling import LabellingModel, LabellingOptions
from keras_struct.models.ssd import SSD

_FAMILIES = {"ssd": SSD}


def names() -> list[str]:
    """Names that `create` takes: FAMILY_BACKBONE."""
    return [
        f"{family}_{backbone}" for family in sorted(_FAMILIES) for backbone in backbones.names()
    ]


def create(name, **options):
    """Build a model by name, e.g. `create("ssd_mobilenet_v2", num_classes=3)`.

    Args:
        name: one of `names()`.
        **options: arguments of the family's class (`SSD`) after the backbone.

    Returns:
        The model.

    Raises:
        ValueError: for an unknown name.
    """
    return _maker(name)(**options)


def task(name: str) -> str:
    """What a model called `name` is for: "detection" or "segmentation".

    Raises:
        ValueError: for an unknown name.
    """
    return _maker(name).func.task


def arguments(name: str) -> tuple[str, ...]:
    """Names of the options that `create(name)` takes.

    Raises:
        ValueError: for an unknown name.
    """
    maker = _maker(name)
    parameters = inspect.signature(maker.func.__init__).parameters.values()
    named = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
    if issubclass(maker.func, LabellingModel):
        named += [field.name for field in dataclasses.fields(LabellingOptions)]
    taken = ("self", "backbone", "name", *maker.keywords)
    return tuple(dict.fromkeys(each for each in named if each not in taken))


def _maker(name):
    """The class of a model, with what its name says about the arguments."""
    if name not in names():
        raise ValueError(f"`model` must be one of {', '.join(names())}. Received: model={name!r}.")
    family, backbone = name.split("_", 1)
    return functools.partial(_FAMILIES[family], backbone)
