"""Models by name, for the command line and configuration files."""

import dataclasses
import functools
import inspect

import keras

from keras_struct import backbones
from keras_struct.models.labelling import (
    FCN,
    DeconvNet,
    DeepLab,
    UNet,
)
from keras_struct.models.region_based import RCNN, RFCN, FasterRCNN, FastRCNN, MaskRCNN, SPPNet
from keras_struct.models.ssd import SSD

# Families that are built on any backbone: FAMILY_BACKBONE.
_ON_BACKBONES = {
    "deeplab": DeepLab,
    "fcn8s": functools.partial(FCN, stride=8),
    "fcn16s": functools.partial(FCN, stride=16),
    "fcn32s": functools.partial(FCN, stride=32),
    "fast_rcnn": FastRCNN,
    "faster_rcnn": FasterRCNN,
    "mask_rcnn": MaskRCNN,
    "rcnn": RCNN,
    "rfcn": RFCN,
    "spp_net": SPPNet,
    "ssd": SSD,
    "unet": UNet,
}
# Networks of their own.
_ALONE = {
    "deconvnet": DeconvNet,
    "deeplab_large_fov": functools.partial(DeepLab, "vgg16", head="large_fov"),
    "unet": functools.partial(UNet, "plain"),
}


def names() -> list[str]:
    """Names that `create` takes: FAMILY_BACKBONE, or that of a network of its own."""
    return sorted([*_pairs(), *_ALONE])


def create(name, **options):
    """Build a model by name, e.g. `create("ssd_mobilenet_v2", num_classes=3)`.

    Args:
        name: one of `names()`.
        **options: arguments of the family's class (`SSD`, `FCN`, ...) after the backbone.

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
    maker, named = _maker(name), []
    for each in maker.func.__mro__:
        if "options_type" in vars(each):
            named += [field.name for field in dataclasses.fields(each.options_type)]
        if "options_type" in vars(each) or each is keras.Model:
            break
        parameters = inspect.signature(each.__init__).parameters.values()
        named += [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
    taken = ("self", "backbone", "name", *maker.keywords)
    if any(backbone not in backbones.names() for backbone in maker.args):
        taken += ("weights", "freeze_batch_norm")  # the published U-Net is its own encoder
    return tuple(dict.fromkeys(each for each in named if each not in taken))


def _maker(name):
    """The class of a model, with what its name says about the arguments."""
    if name not in names():
        raise ValueError(f"`model` must be one of {', '.join(names())}. Received: model={name!r}.")
    if name in _ALONE:
        return functools.partial(_ALONE[name])
    family, backbone = _pairs()[name]
    return functools.partial(_ON_BACKBONES[family], backbone)


def _pairs():
    """{name: (family, backbone)} of the models on backbones."""
    return {
        f"{family}_{backbone}": (family, backbone)
        for family in _ON_BACKBONES
        for backbone in backbones.names()
        if (family, backbone) != ("rfcn", "vgg16")  # it has no stage to read maps from
    }
