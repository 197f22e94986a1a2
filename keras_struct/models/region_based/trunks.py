"""From images to the levels that regions are read from, and what runs on the regions."""

from typing import Any, NamedTuple

import keras

from keras_struct import backbones
from keras_struct.backbones.vgg16 import vgg16_trunk
from keras_struct.models.feature_pyramid import feature_pyramid
from keras_struct.models.region_based.bodies import PooledStage, TwoFullyConnected

NECKS = ("single", "pyramid")
_VGG_UNITS = 4096


class Trunk(NamedTuple):
    """A network up to its regions.

    Args:
        levels: {"P4": Keras tensor, ...} that regions are read from.
        proposing: {"P4": Keras tensor, ...} that the proposal network looks at.
        size: cells of a region on each side.
        body: layer of features (B, R, size, size, D) to (B, R, E).
        stage: the model that `body` runs, for a mask head to share, or None.
        proposal_width: channels of the proposal network.
    """

    levels: dict
    proposing: dict
    size: int
    body: Any
    stage: Any
    proposal_width: int


def create(images, neck, backbone, width, **options):
    """The trunk of a neck, "single" or "pyramid"; `width` is of a pyramid only."""
    if neck == "pyramid":
        return pyramid_trunk(images, backbone, width=width, **options)
    return single_trunk(images, backbone, **options)


def single_trunk(images, backbone, weights=None, freeze_batch_norm=False, units=None, dropout=0.0):
    """One level of stride 16: VGG16 with its dense layers, or others cut behind P4.

    Args:
        images: Keras tensor (B, H, W, 3).
        backbone: one of `backbones.names()`.
        weights: None, "imagenet" or a path: of the backbone.
        freeze_batch_norm: bool, see `backbones.create`.
        units: int or None for 4096, of VGG16's dense layers.
        dropout: float in [0, 1), behind these.

    Returns:
        A `Trunk`.

    Source: Ren et al. 2015, arXiv:1506.01497 (VGG16); He et al. 2016, arXiv:1512.03385 (C4).
    """
    if backbone == "vgg16":
        x, dense = vgg16_trunk(images, weights)
        body = TwoFullyConnected(units or _VGG_UNITS, dropout, name="fc")
        if dense is not None and body.fc6.units == _VGG_UNITS:
            body.build((None, 1, 7, 7, x.shape[-1]))
            body.fc6.set_weights(dense[0])
            body.fc7.set_weights(dense[1])
        return Trunk({"P4": x}, {"P4": x}, 7, body, None, 512)
    first, stage = backbones.create_in_two(
        backbone, tuple(images.shape[1:3]), weights, freeze_batch_norm
    )
    levels = first(images)
    return Trunk(levels, levels, 14, PooledStage(stage, name="body"), stage, 512)


def pyramid_trunk(
    images, backbone, weights=None, freeze_batch_norm=False, units=None, dropout=0.0, width=256
):
    """A feature pyramid P2 to P6, of which regions are read from P2 to P5.

    Args:
        images: Keras tensor (B, H, W, 3).
        backbone: one of `backbones.names()`.
        weights: None, "imagenet" or a path: of the backbone.
        freeze_batch_norm: bool, see `backbones.create`.
        units: int or None for 1024, of the two dense layers on each region.
        dropout: float in [0, 1), behind these.
        width: int, channels of the pyramid.

    Returns:
        A `Trunk`.

    Source: Lin et al. 2017, arXiv:1612.03144, section 4.
    """
    body = backbones.create(
        backbone, tuple(images.shape[1:3]), weights, freeze_batch_norm=freeze_batch_norm
    )
    wanted = [f"P{level}" for level in range(2, 7)]
    pyramid = feature_pyramid(body(images), wanted, width)
    levels = {name: pyramid[name] for name in wanted[:-1]}
    dense = TwoFullyConnected(units or 1024, dropout, name="fc")
    return Trunk(levels, pyramid, 7, dense, None, width)


def fixed_level(images, backbone, weights=None):
    """One level of stride 16 whose weights stay as they are.

    Args:
        images: Keras tensor (B, H, W, 3).
        backbone: one of `backbones.names()`.
        weights: None, "imagenet" or a path: of the backbone.

    Returns:
        {"P4": (B, H / 16, W / 16, C)} Keras tensor.
    """
    inner = keras.Input(images.shape[1:], name="images")
    if backbone == "vgg16":
        level = vgg16_trunk(inner, weights)[0]
    else:
        level = backbones.create(backbone, tuple(images.shape[1:3]), weights)(inner)["P4"]
    fixed = keras.Model(inner, level, name="fixed")
    fixed.trainable = False
    return {"P4": fixed(images)}


def cells_of(levels):
    """{"P4": (rows, columns), ...} of Keras tensors."""
    return {name: tuple(x.shape[1:3]) for name, x in levels.items()}


def images_input(image_size):
    """`keras.Input` of images of one size."""
    return keras.Input((*image_size, 3), name="images")
