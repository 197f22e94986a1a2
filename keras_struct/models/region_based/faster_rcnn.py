"""Faster R-CNN: proposals from the network itself."""

import functools

import keras

from keras_struct.layers.roi_align import RoIAlign
from keras_struct.layers.roi_pool import RoIPool
from keras_struct.models.region_based import trunks
from keras_struct.models.region_based.branches import BoxBranch
from keras_struct.models.region_based.detector import Parts, RegionDetector
from keras_struct.models.region_based.options import RegionOptions
from keras_struct.models.region_based.proposal_head import proposal_head
from keras_struct.models.region_based.proposer import Proposer

FEATURES = {"align": RoIAlign, "pool": RoIPool}
_SCALES = {"single": (8.0, 16.0, 32.0), "pyramid": (8.0,)}
_DECODED = {"single": (12000, 6000), "pyramid": (2000, 1000)}
_BORDERS = {"single": 0.0, "pyramid": None}


@keras.saving.register_keras_serializable(package="keras_struct")
class FasterRCNN(RegionDetector):
    """Faster R-CNN: a network proposes regions and looks at each of them.

    `FasterRCNN("vgg16", num_classes=20, image_size=(600, 1000))` is the published network: conv5_3
    at stride 16, 9 anchors a cell, RoIPool 7x7, fc6 and fc7. On other backbones it reads regions
    from a feature pyramid by RoIAlign, as is usual today; neck="single" gives ResNet's "C4" form,
    whose last stage runs on every region. Proposals and heads train together.

    Args:
        backbone: one of `keras_struct.backbones.names()`.
        num_classes: int, object classes without background.
        image_size: int or (height, width), pixels of the input image.
        weights: None, "imagenet" or a path: weights of the backbone.
        neck: "single" (one level of stride 16) or "pyramid" (P2 to P6); None for "single" with
            VGG16, else "pyramid".
        region_features: "pool" (RoIPool, as published) or "align" (RoIAlign); None for "pool" with
            VGG16, else "align".
        anchor_scales: floats, sides of the square anchors over the stride of their level; None
            for (8, 16, 32) on one level and (8,) on a pyramid. Small objects want less.
        anchor_ratios: floats, height over width of anchors.
        canonical_size: float, pixels: regions of this size are read from P4 of a pyramid, half as
            large ones from P3. The published 224 is ImageNet's; small images want less.
        num_proposals: (in training, at rest), proposals of an image that are kept.
        num_decoded: (in training, at rest), anchors of a level they are chosen from; None for
            (12000, 6000) on one level and (2000, 1000) on a pyramid. TensorRT sorts up to 3840.
        width: int, channels of the pyramid.
        units: int, of the two dense layers on each region; None for 4096 with VGG16, else 1024.
        dropout: float in [0, 1), behind these.
        freeze_batch_norm: bool, leave the batch norms of the backbone as they came, as published
            for ResNet.
        name: of the model.
        **options: further arguments of `RegionOptions`: `class_names`, `resize`,
            `regions_per_image`, ...

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        model = keras_struct.models.FasterRCNN("mobilenet_v2", num_classes=3, image_size=320)
        model.compile("adamw")
        model.fit(dataset.batches(2, image_size=320, augment=True), epochs=20)
        detector = model.with_decoder()

    Source: Ren et al. 2015, arXiv:1506.01497; Lin et al. 2017, arXiv:1612.03144 (pyramid); He et
    al. 2016, arXiv:1512.03385 (C4).
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        weights=None,
        neck=None,
        region_features=None,
        anchor_scales=None,
        anchor_ratios=(0.5, 1.0, 2.0),
        canonical_size=224,
        num_proposals=(1000, 300),
        num_decoded=None,
        width=256,
        units=None,
        dropout=0.0,
        freeze_batch_norm=False,
        name=None,
        **options,
    ):
        options = RegionOptions(num_classes, image_size, **options)
        usual = ("single", "pool") if backbone == "vgg16" else ("pyramid", "align")
        neck, region_features = neck or usual[0], region_features or usual[1]
        check_parts(backbone, neck, region_features)
        anchor_scales = _SCALES[neck] if anchor_scales is None else anchor_scales

        # === Functional model ===
        images = trunks.images_input(options.image_size)
        trunk = trunks.create(
            *(images, neck, backbone, width),
            weights=weights,
            freeze_batch_norm=freeze_batch_norm,
            units=units,
            dropout=dropout,
        )
        anchors = (anchor_scales, anchor_ratios)
        counts = (num_proposals, _DECODED[neck] if num_decoded is None else num_decoded)
        proposer, found = _proposing(trunk, options, *anchors, *counts, _BORDERS[neck])
        features = functools.partial(FEATURES[region_features], canonical_size=canonical_size)
        pooled = features(trunk.size, name="region_features")
        boxes = BoxBranch(pooled, trunk.body, num_classes, name="box_branch")
        parts = Parts(boxes, proposer, **self._more_branches(trunk, features, options))
        super().__init__(images, {**trunk.levels, **found}, parts, options, name=name)

        # === Config ===
        self._own = {
            "backbone": backbone,
            "neck": neck,
            "region_features": region_features,
            "anchor_scales": list(anchor_scales),
            "anchor_ratios": list(anchor_ratios),
            "canonical_size": canonical_size,
            "num_proposals": list(num_proposals),
            "num_decoded": num_decoded and list(num_decoded),
            "width": width,
            "units": units,
            "dropout": dropout,
            "freeze_batch_norm": freeze_batch_norm,
        }

    def _more_branches(self, trunk, features, options):
        """Branches beside that of boxes: none."""
        return {}

    def get_config(self):
        return {**super().get_config(), **self._own}


def _proposing(trunk, options, *settings):
    """The proposer of a trunk, and what its network says of the anchors."""
    proposer = Proposer(trunks.cells_of(trunk.proposing), options.image_size, *settings)
    return proposer, proposal_head(trunk.proposing, proposer.num_anchors, trunk.proposal_width)


def check_parts(backbone, neck, region_features):
    """Raise a ValueError for parts that are none, or do not go together."""
    if neck not in trunks.NECKS:
        raise ValueError(f"`neck` must be one of {trunks.NECKS}. Received: neck={neck!r}.")
    if region_features not in FEATURES:
        raise ValueError(
            f"`region_features` must be one of {tuple(FEATURES)}. "
            f"Received: region_features={region_features!r}."
        )
    if backbone == "vgg16" and neck == "pyramid":
        raise ValueError(
            "`neck` must be 'single' with vgg16, which has no level beyond stride 16. "
            f"Received: neck={neck!r}."
        )
