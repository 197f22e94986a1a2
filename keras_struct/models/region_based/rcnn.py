"""R-CNN: every proposal is cut out of the image, warped, and sent through the network alone."""

import keras
from keras import ops

from keras_struct import backbones
from keras_struct.backbones.vgg16 import vgg16_trunk
from keras_struct.layers.region_warp import RegionWarp
from keras_struct.models.region_based.bodies import per_region
from keras_struct.models.region_based.branches import BoxBranch
from keras_struct.models.region_based.detector import Parts, RegionDetector
from keras_struct.models.region_based.fast_rcnn import proposals_input
from keras_struct.models.region_based.options import RegionOptions

_UNITS = 4096


@keras.saving.register_keras_serializable(package="keras_struct")
class RCNN(RegionDetector):
    """Regions with CNN features: slow, as nothing is shared between the regions of an image.

    `fit` fine-tunes the network with a softmax over classes and background; then
    `keras_struct.training.fit_linear_heads` puts linear SVMs and ridge regressions in the place of
    its last layers, as published. Images come with proposals: see `Dataset.with_proposals`.

    Args:
        backbone: one of `keras_struct.backbones.names()`; "vgg16" with fc6 and fc7.
        num_classes: int, object classes without background.
        image_size: int or (height, width), pixels of the input image.
        num_proposals: int, P, proposals of an image.
        crop_size: int, pixels of a warped region.
        context: int, pixels of it on each side that show what is around the region.
        weights: None, "imagenet" or a path: weights of the backbone.
        freeze_batch_norm: bool, leave the batch norms of the backbone as they came.
        classifier: "softmax", or "svm" once `fit_linear_heads` has been there.
        name: of the model.
        **options: further arguments of `RegionOptions`.

    Call arguments:
        inputs: {"images": (B, H, W, 3) float32, RGB, 0..255, "proposals": (B, P, 4) float32, xyxy,
            pixels; those without area pad}.

    Raises:
        ValueError: for arguments that do not fit.

    Source: Girshick et al. 2014, arXiv:1311.2524, section 2 and appendix A.
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        num_proposals=300,
        crop_size=224,
        context=16,
        weights=None,
        freeze_batch_norm=False,
        classifier="softmax",
        name=None,
        **options,
    ):
        options = RegionOptions(num_classes, image_size, **options)
        inputs = proposals_input(options.image_size, num_proposals)
        network = _crop_network(backbone, crop_size, weights, freeze_batch_norm)
        warp = RegionWarp(crop_size, context, name="region_features")
        boxes = BoxBranch(warp, CropBody(network, name="body"), num_classes, name="box_branch")
        raw = {"P0": inputs["images"], "proposals": inputs["proposals"]}
        super().__init__(inputs, raw, Parts(boxes), options, name=name)
        self.set_classifier(classifier)

        # === Config ===
        self._own = {
            "backbone": backbone,
            "num_proposals": num_proposals,
            "crop_size": crop_size,
            "context": context,
            "freeze_batch_norm": freeze_batch_norm,
        }

    def get_config(self):
        return {**super().get_config(), **self._own, "classifier": self.classifier}


class CropBody(keras.layers.Layer):
    """A whole network on every region.

    Args:
        network: model of (N, S, S, 3), pixels, to (N, D).

    Call arguments:
        x: (B, R, S, S, 3) float32.

    Returns:
        (B, R, D).
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network

    def build(self, shape):
        self.built = True

    def call(self, x, training=None):
        return per_region(self.network, x)


def _crop_network(backbone, size, weights, freeze_batch_norm):
    """(N, size, size, 3) to (N, D): the pooled last level, or VGG16's fc7."""
    crops = keras.Input((size, size, 3), name="crops")
    if backbone != "vgg16":
        body = backbones.create(backbone, size, weights, freeze_batch_norm=freeze_batch_norm)
        return keras.Model(crops, ops.mean(body(crops)["P5"], axis=(1, 2)), name="network")
    x, dense = vgg16_trunk(crops, weights, frozen_blocks=0)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2, name="block5_pool")(x))
    fc6 = keras.layers.Dense(_UNITS, activation="relu", name="fc6")
    fc7 = keras.layers.Dense(_UNITS, activation="relu", name="fc7")
    x = fc7(fc6(x))
    if dense is not None and size == 224:
        fc6.set_weights(dense[0])
        fc7.set_weights(dense[1])
    return keras.Model(crops, x, name="network")
