"""Fast R-CNN and SPPnet: proposals come with the images, features are shared by all of them."""

import keras

from keras_struct.layers.spatial_pyramid_pooling import SpatialPyramidPooling
from keras_struct.models.region_based import trunks
from keras_struct.models.region_based.branches import BoxBranch
from keras_struct.models.region_based.detector import Parts, RegionDetector
from keras_struct.models.region_based.faster_rcnn import FEATURES, check_parts
from keras_struct.models.region_based.options import RegionOptions

_BACKGROUND = (0.1, 0.5)


@keras.saving.register_keras_serializable(package="keras_struct")
class FastRCNN(RegionDetector):
    """Fast R-CNN: one pass over the image, RoIPool, and two heads that train together.

    Images come with proposals: `dataset.with_proposals(...)` adds them to a data set.

    Args:
        backbone: one of `keras_struct.backbones.names()`.
        num_classes: int, object classes without background.
        image_size: int or (height, width), pixels of the input image.
        num_proposals: int, P, proposals of an image.
        weights: None, "imagenet" or a path: weights of the backbone.
        neck: "single" (one level of stride 16, as published) or "pyramid" (P2 to P5).
        region_features: "pool" (as published) or "align".
        width: int, channels of a pyramid.
        units: int, of the two dense layers; None for 4096 with VGG16, else 1024.
        dropout: float in [0, 1), behind these.
        freeze_batch_norm: bool, leave the batch norms of the backbone as they came.
        name: of the model.
        **options: further arguments of `RegionOptions`; background has an IoU in [0.1, 0.5) unless
            they say otherwise.

    Call arguments:
        inputs: {"images": (B, H, W, 3) float32, RGB, 0..255, "proposals": (B, P, 4) float32, xyxy,
            pixels; those without area pad}.

    Raises:
        ValueError: for arguments that do not fit.

    Source: Girshick 2015, arXiv:1504.08083.
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        num_proposals=300,
        weights=None,
        neck="single",
        region_features="pool",
        width=256,
        units=None,
        dropout=0.0,
        freeze_batch_norm=False,
        name=None,
        **options,
    ):
        options = RegionOptions(
            num_classes, image_size, **{"background_iou": _BACKGROUND, **options}
        )
        check_parts(backbone, neck, region_features)

        # === Functional model ===
        inputs = proposals_input(options.image_size, num_proposals)
        trunk = trunks.create(
            *(inputs["images"], neck, backbone, width),
            weights=weights,
            freeze_batch_norm=freeze_batch_norm,
            units=units,
            dropout=dropout,
        )
        features = FEATURES[region_features](trunk.size, name="region_features")
        boxes = BoxBranch(features, trunk.body, num_classes, name="box_branch")
        raw = {**trunk.levels, "proposals": inputs["proposals"]}
        super().__init__(inputs, raw, Parts(boxes), options, name=name)

        # === Config ===
        self._own = {
            "backbone": backbone,
            "num_proposals": num_proposals,
            "neck": neck,
            "region_features": region_features,
            "width": width,
            "units": units,
            "dropout": dropout,
            "freeze_batch_norm": freeze_batch_norm,
        }

    def get_config(self):
        return {**super().get_config(), **self._own}


@keras.saving.register_keras_serializable(package="keras_struct")
class SPPNet(RegionDetector):
    """SPPnet: one pass over the image, a pyramid of pools of each region, trained behind them.

    The convolutions stay as they are: only the layers behind the pooling are trained, because the
    published system could not train through it. `keras_struct.training.fit_linear_heads` puts
    linear SVMs in the place of the softmax that fine-tuning uses, as published.

    Args:
        backbone: one of `keras_struct.backbones.names()`.
        num_classes: int, object classes without background.
        image_size: int or (height, width), pixels of the input image.
        num_proposals: int, P, proposals of an image.
        bins: ints, bins on each side, of every pyramid level.
        weights: None, "imagenet" or a path: weights of the backbone.
        units: int, of the two dense layers.
        dropout: float in [0, 1), behind these.
        classifier: "softmax", or "svm" once `fit_linear_heads` has been there.
        name: of the model.
        **options: further arguments of `RegionOptions`; background has an IoU in [0.1, 0.5) unless
            they say otherwise.

    Call arguments:
        inputs: as for `FastRCNN`.

    Raises:
        ValueError: for arguments that do not fit.

    Source: He et al. 2014, arXiv:1406.4729, section 4.
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        num_proposals=300,
        bins=(6, 3, 2, 1),
        weights=None,
        units=4096,
        dropout=0.0,
        classifier="softmax",
        name=None,
        **options,
    ):
        options = RegionOptions(
            num_classes, image_size, **{"background_iou": _BACKGROUND, **options}
        )
        # === Functional model ===
        inputs = proposals_input(options.image_size, num_proposals)
        levels = trunks.fixed_level(inputs["images"], backbone, weights)
        features = SpatialPyramidPooling(bins, name="region_features")
        body = trunks.TwoFullyConnected(units, dropout, name="fc")
        boxes = BoxBranch(features, body, num_classes, name="box_branch")
        raw = {**levels, "proposals": inputs["proposals"]}
        super().__init__(inputs, raw, Parts(boxes), options, name=name)
        self.set_classifier(classifier)

        # === Config ===
        self._own = {
            "backbone": backbone,
            "num_proposals": num_proposals,
            "bins": list(bins),
            "units": units,
            "dropout": dropout,
        }

    def get_config(self):
        return {**super().get_config(), **self._own, "classifier": self.classifier}


def proposals_input(image_size, num_proposals):
    """`keras.Input` of images of one size and as many proposals each."""
    if type(num_proposals) is not int or num_proposals < 1:
        raise ValueError(
            "`num_proposals` must be an integer of at least 1. "
            f"Received: num_proposals={num_proposals!r}."
        )
    images = trunks.images_input(image_size)
    return {"images": images, "proposals": keras.Input((num_proposals, 4), name="proposals")}
