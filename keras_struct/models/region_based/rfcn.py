"""R-FCN: nothing is computed for a single region, only read off shared maps."""

import keras
from keras import ops

from keras_struct import backbones
from keras_struct.layers.position_sensitive import (
    PositionSensitiveRoIAlign,
    PositionSensitiveRoIPool,
)
from keras_struct.models.region_based import trunks
from keras_struct.models.region_based.detector import Parts, RegionDetector
from keras_struct.models.region_based.options import RegionOptions
from keras_struct.models.region_based.proposal_head import proposal_head
from keras_struct.models.region_based.proposer import Proposer

_READERS = {"pool": PositionSensitiveRoIPool, "align": PositionSensitiveRoIAlign}
_LEVEL = "P4"  # of the maps, whose stride is 16


@keras.saving.register_keras_serializable(package="keras_struct")
class RFCN(RegionDetector):
    """Region-based fully convolutional network: every bin of a region votes with maps of its own.

    The last stage of the backbone keeps stride 16 by dilation. Proposals come from P4, as in the
    published network. Boxes are the same for all classes.

    Args:
        backbone: one of `keras_struct.backbones.names()`, but "vgg16".
        num_classes: int, object classes without background.
        image_size: int or (height, width), pixels of the input image.
        weights: None, "imagenet" or a path: weights of the backbone.
        region_features: "pool" (averages of whole cells, as published) or "align" (bilinear).
        bins: int, bins of a region on each side.
        anchor_scales: floats, sides of the square anchors over the stride of 16.
        anchor_ratios: floats, height over width of anchors.
        num_proposals: (in training, at rest), proposals of an image that are kept.
        num_decoded: (in training, at rest), anchors they are chosen from. TensorRT sorts up to
            3840.
        width: int, channels of the 1x1 convolution before the maps.
        freeze_batch_norm: bool, leave the batch norms of the backbone as they came, as published.
        name: of the model.
        **options: further arguments of `RegionOptions`; its `hard_examples` mines as published.

    Raises:
        ValueError: for arguments that do not fit.

    Source: Dai et al. 2016, arXiv:1605.06409.
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        weights=None,
        region_features="pool",
        bins=7,
        anchor_scales=(8.0, 16.0, 32.0),
        anchor_ratios=(0.5, 1.0, 2.0),
        num_proposals=(1000, 300),
        num_decoded=(12000, 6000),
        width=1024,
        freeze_batch_norm=False,
        name=None,
        **options,
    ):
        options = RegionOptions(num_classes, image_size, **options)
        _check(backbone, region_features)

        # === Functional model ===
        images = trunks.images_input(options.image_size)
        body = backbones.create(
            backbone,
            options.image_size,
            weights,
            output_stride=16,
            freeze_batch_norm=freeze_batch_norm,
            widen=False,
        )
        levels = body(images)
        x = keras.layers.Conv2D(width, 1, activation="relu", name="before_maps")(levels["P5"])
        maps = {
            name: _maps(x, bins * bins * channels, name)
            for name, channels in (("class_maps", num_classes + 1), ("box_maps", 4))
        }
        proposing = {_LEVEL: levels["P4"]}
        proposer = Proposer(
            trunks.cells_of(proposing),
            *(options.image_size, anchor_scales, anchor_ratios, num_proposals),
            decoded=num_decoded,
            border=0.0,
        )
        found = proposal_head(proposing, proposer.num_anchors, 512)
        parts = Parts(VotingBranch(_READERS[region_features](bins), name="box_branch"), proposer)
        super().__init__(images, {**maps, **found}, parts, options, name=name)

        # === Config ===
        self._own = {
            "backbone": backbone,
            "region_features": region_features,
            "bins": bins,
            "anchor_scales": list(anchor_scales),
            "anchor_ratios": list(anchor_ratios),
            "num_proposals": list(num_proposals),
            "num_decoded": list(num_decoded),
            "width": width,
            "freeze_batch_norm": freeze_batch_norm,
        }

    def get_config(self):
        return {**super().get_config(), **self._own}


class VotingBranch(keras.layers.Layer):
    """Class and box of every region as the mean over its bins.

    Args:
        reader: position-sensitive layer of (levels, boxes) to (B, R, bins, bins, D).

    Call arguments:
        raw: {"class_maps": (B, h, w, bins^2 (1 + C)), "box_maps": (B, h, w, bins^2 4)} float.
        boxes: (B, R, 4) float32, xyxy, pixels.

    Returns:
        {"class_logits": (B, R, 1 + C), background first, "box_deltas": (B, R, 1, 4)} float32.

    Source: Dai et al. 2016, arXiv:1605.06409, section 2, eq. 1.
    """

    def __init__(self, reader, **kwargs):
        super().__init__(**kwargs)
        self.reader = reader

    def build(self, raw_shape, boxes_shape):
        self.built = True

    def call(self, raw, boxes):
        votes = {
            name: ops.mean(self.reader({_LEVEL: raw[name]}, boxes), axis=(2, 3))
            for name in ("class_maps", "box_maps")
        }
        return {
            "class_logits": ops.cast(votes["class_maps"], "float32"),
            "box_deltas": ops.cast(votes["box_maps"], "float32")[:, :, None],
        }


def _maps(x, channels, name):
    start = keras.initializers.RandomNormal(0.0, 0.01)
    return keras.layers.Conv2D(channels, 1, kernel_initializer=start, name=name)(x)


def _check(backbone, region_features):
    if backbone == "vgg16" or backbone not in backbones.names():
        known = [name for name in backbones.names() if name != "vgg16"]
        raise ValueError(
            f"`backbone` must be one of {', '.join(known)}. Received: backbone={backbone!r}."
        )
    if region_features not in _READERS:
        raise ValueError(
            f"`region_features` must be one of {tuple(_READERS)}. "
            f"Received: region_features={region_features!r}."
        )
