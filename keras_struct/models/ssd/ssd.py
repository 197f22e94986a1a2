"""SSD, the published network and its lighter kin in one class."""

import keras
from keras import ops

from keras_struct import backbones, losses
from keras_struct.layers.anchor_decoder import AnchorDecoder
from keras_struct.models.cards import card_of
from keras_struct.models.feature_pyramid import feature_pyramid
from keras_struct.models.ssd import levels as ssd_levels
from keras_struct.models.ssd.arguments import check_arguments
from keras_struct.models.ssd.default_boxes import published_sizes, published_steps
from keras_struct.models.ssd.head import dense_head
from keras_struct.ops.anchors import grid_anchors
from keras_struct.ops.nms import Options, check_options

_CLASS_LOSSES = {"multibox": losses.HardNegativeCrossEntropy, "focal": losses.FocalClassLoss}
_FOCAL_PRIOR = 0.01
_PYRAMID_CHANNELS = 128
_LOSS_PARTS = ("box_loss", "class_loss")


@keras.saving.register_keras_serializable(package="keras_struct")
class SSD(keras.Model):
    """Single shot detector: default boxes on several feature levels, classified and refined.

    `SSD("vgg16", num_classes=20, image_size=300)` is the published network with 8732 boxes (512:
    24564). Lighter backbones get light extra layers and predictors (SSDLite). `compile(optimizer)`
    and `fit(dataset.batches(...))` train it: matching, mining and the losses are part of the model.

    Args:
        backbone: one of `keras_struct.backbones.names()`.
        num_classes: int, object classes without background.
        image_size: int, pixels of the square input image.
        class_names: `num_classes` strings, or None for "class_0", "class_1", ...
        weights: None, "imagenet" or a path: weights of the backbone.
        default_boxes: "published", or {"P3": [(width, height), ...], ...} in pixels, such as
            `fit_default_boxes` finds for a data set.
        pyramid: bool, predict on a light feature pyramid P3..P7 instead of the backbone's levels
            and extra layers. Fine levels with deep features find small objects.
        loss: "multibox" (softmax with hard negatives, the paper's) or "focal".
        resize: "stretch" (the paper's) or "letterbox", how images come to the input size. It is
            noted here for evaluation, export and the device.
        iou_threshold: float in [0, 1], above which boxes of a class suppress each other, unless
            `decoder` is told otherwise. The paper's 0.45 drops objects in a crowd.

    Call arguments:
        images: (B, S, S, 3) float32, RGB, 0..255.

    Returns:
        {"box_deltas": (B, A, 4), "class_logits": (B, A, C + 1 or C)} float32, raw predictions.

    Raises:
        ValueError: for arguments that do not fit.

    Example:
        model = keras_struct.models.SSD("mobilenet_v2", num_classes=3, image_size=320)
        model.compile("adamw")
        model.fit(dataset.batches(16, image_size=320, augment=True), epochs=60)
        detector = model.with_decoder()

    Source: Liu et al. 2016, arXiv:1512.02325; Sandler et al. 2018, arXiv:1801.04381 (SSDLite);
    Lin et al. 2017, arXiv:1612.03144 (pyramid) and arXiv:1708.02002 (focal).
    """

    task = "detection"

    def __init__(
        self,
        backbone,
        num_classes,
        image_size=320,
        *,
        class_names=None,
        weights=None,
        default_boxes="published",
        pyramid=False,
        loss="multibox",
        resize="stretch",
        iou_threshold=0.45,
        **kwargs,
    ):
        class_names = check_arguments(
            backbone, num_classes, image_size, class_names, default_boxes, loss, resize
        )
        check_options(Options(iou_threshold))
        # === Layers ===
        body = backbones.create(backbone, image_size, weights)
        sizes = default_boxes
        if default_boxes == "published":
            sizes = published_sizes(backbone, image_size, pyramid)
        class_loss = _CLASS_LOSSES[loss]()

        # === Functional model ===
        images = keras.Input((image_size, image_size, 3), name="images")
        features = _levels(body(images), backbone, image_size, tuple(sizes), pyramid)
        raw = dense_head(
            {level: features[level] for level in sizes},
            sizes,
            num_classes + class_loss.num_background,
            light=pyramid or backbone.startswith("mobilenet"),
            prior=_FOCAL_PRIOR if loss == "focal" else None,
        )
        super().__init__(inputs=images, outputs=raw, **kwargs)

        # === Config ===
        self.backbone_name = backbone
        self.num_classes = num_classes
        self.image_size = image_size
        self.class_names = class_names
        self.default_boxes = default_boxes
        self.pyramid = pyramid
        self.loss_name = loss
        self.resize = resize
        self.iou_threshold = iou_threshold

        cells = {level: features[level].shape[1:3] for level in sizes}
        steps = published_steps(backbone, image_size, pyramid)
        self.anchors = grid_anchors(sizes, cells, image_size, steps)
        self.box_loss = losses.SmoothL1BoxLoss()
        self.class_loss = class_loss
        self.image_mean = losses.ImageMean()
        self.loss_parts = [keras.metrics.Mean(name=name) for name in _LOSS_PARTS]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Match, mine and sum the losses; ground truth as `Dataset.batches` yields it."""
        targets = losses.assign_targets(
            y["bounding_boxes"],
            self.anchors,
            background_threshold=self.class_loss.background_threshold,
        )
        parts = {
            "box_loss": self.box_loss.call(targets, y_pred),
            "class_loss": self.class_loss.call(targets, y_pred),
        }
        # The parts ride in the predictions to `compute_metrics`: state may change only there.
        y_pred.update(parts)
        per_image = parts["box_loss"] + parts["class_loss"]
        total = self.image_mean(per_image, per_image, sample_weight=sample_weight)
        return total + ops.sum(self.losses) if self.losses else total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Loss, box_loss and class_loss for the progress bar."""
        for metric in self.loss_parts:
            metric.update_state(y_pred[metric.name])
        return self.get_metrics_result()

    def decoder(self, **options):
        """The layer that turns raw predictions into detections; see `AnchorDecoder`."""
        return AnchorDecoder(
            self.anchors,
            self.image_size,
            has_background=self.class_loss.num_background > 0,
            name="decoder",
            **{"iou_threshold": self.iou_threshold, **options},
        )

    def with_decoder(self, **options):
        """Functional model from images to detections.

        Args:
            **options: of `AnchorDecoder`: `score_threshold`, `iou_threshold`, `max_candidates`,
                `max_detections`.

        Returns:
            `keras.Model`: images (B, S, S, 3) to {"boxes", "scores", "labels", "num_detections"}.
        """
        results = self.decoder(**options)(self.output)
        return keras.Model(self.input, results, name=f"{self.name}_decoded")

    def card(self):
        """What an artefact of this model says about itself."""
        results = ["boxes", "scores", "labels", "num_detections"]
        return card_of(self, results, backbone=self.backbone_name, max_detections=200)

    def get_config(self):
        """Arguments without `weights`: a saved model carries its own."""
        return {
            "name": self.name,
            "backbone": self.backbone_name,
            "num_classes": self.num_classes,
            "image_size": self.image_size,
            "class_names": list(self.class_names),
            "default_boxes": self.default_boxes,
            "pyramid": self.pyramid,
            "loss": self.loss_name,
            "resize": self.resize,
            "iou_threshold": self.iou_threshold,
        }

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        return cls(**config)


def _levels(features, backbone, image_size, wanted, pyramid):
    if pyramid:
        # A tower behind it (two blocks shared by the levels) trains slower from few images.
        return feature_pyramid(features, wanted, _PYRAMID_CHANNELS, light=True)
    if backbone == "vgg16":
        return ssd_levels.vgg_levels(features, image_size)
    return ssd_levels.extra_levels(features)
