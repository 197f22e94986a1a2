"""The assembly of all region-based detectors: proposals, region features, heads."""

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_struct.layers.region_decoder import RegionDecoder
from keras_struct.layers.region_details import KeypointDecoder, MaskDecoder
from keras_struct.losses import head_losses
from keras_struct.losses.image_mean import ImageMean
from keras_struct.models.cards import card_of
from keras_struct.models.region_based.options import RegionOptions
from keras_struct.ops.region_sampling import sample_regions
from keras_struct.ops.region_targets import keypoint_targets, mask_targets

_FIXED_SEED = 1
_ACTIVATIONS = {"softmax": "softmax", "svm": "sigmoid"}
_NO_FEATURES = ("rpn_logits", "rpn_deltas", "proposals")


@dataclasses.dataclass
class Parts:
    """What a region-based detector is put together from.

    Args:
        boxes: branch of (levels, boxes) to {"class_logits", "box_deltas"}.
        proposer: a `Proposer`, or None where proposals come with the images.
        masks: branch of (levels, boxes) to mask logits (B, R, h, w, C), or None.
        keypoints: branch of (levels, boxes) to heatmaps (B, R, h, w, J), or None.
    """

    boxes: Any
    proposer: Any = None
    masks: Any = None
    keypoints: Any = None


class RegionDetector(keras.Model):
    """Proposals, the features of each region, and heads on them; trains with plain `fit`.

    The network gives feature levels and what the region proposal network says of its anchors. The
    heads are run on regions: in `compute_loss` on those drawn at random among proposals and true
    boxes, behind `with_decoder()` on all proposals. No gradient flows through the proposals.

    Args:
        inputs: images, `keras.Input((H, W, 3))`, RGB, 0..255; or {"images", "proposals"} with
            proposals (B, P, 4) xyxy in pixels, those without area for padding.
        raw: {"P4": (B, h, w, C), ...} Keras tensors and, with a proposer, "rpn_logits" and
            "rpn_deltas", or else "proposals".
        parts: see `Parts`.
        options: see `RegionOptions`.
        name: of the model.

    Call arguments:
        inputs: images (B, H, W, 3) float32, RGB, 0..255, or the dict above.

    Returns:
        `raw` of these inputs.
    """

    task = "detection"
    options_type = RegionOptions
    classifier = "softmax"

    def __init__(self, inputs, raw, parts: Parts, options: RegionOptions, name=None):
        super().__init__(inputs=inputs, outputs=raw, name=name)
        self.options = options
        self.num_classes = options.num_classes
        self.image_size = options.image_size
        self.class_names = options.class_names
        self.resize = options.resize
        self.proposer = parts.proposer
        self.box_branch = parts.boxes
        self.mask_branch = parts.masks
        self.keypoint_branch = parts.keypoints
        self.image_mean = ImageMean()
        self.randomness = keras.random.SeedGenerator()
        regions = keras.KerasTensor((None, 1, 4), "float32")
        for branch in (parts.boxes, parts.masks, parts.keypoints):
            if branch is not None:
                branch(_features(raw), regions)  # builds it
        self.loss_parts = [keras.metrics.Mean(name=each) for each in self._loss_names()]

    @property
    def fields(self):
        """Fields of a data set that it trains on."""
        fields = ["bounding_boxes"]
        fields += ["proposals"] if self.proposer is None else []
        fields += ["instance_masks"] if self.mask_branch is not None else []
        return tuple(fields + (["keypoints"] if self.keypoint_branch is not None else []))

    @property
    def num_proposals(self):
        """Proposals that come with each image; 0 where it finds them itself."""
        return self.input["proposals"].shape[1] if self.proposer is None else 0

    def _loss_names(self):
        names = [] if self.proposer is None else ["rpn_class_loss", "rpn_box_loss"]
        names += ["class_loss", "box_loss"]
        names += [] if self.mask_branch is None else ["mask_loss"]
        return names + ([] if self.keypoint_branch is None else ["keypoint_loss"])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Propose, draw regions, run the heads on them and sum the losses.

        Ground truth as `Dataset.batches(fields=model.fields)` yields it.
        """
        truth = y["bounding_boxes"]
        if self.proposer is None:
            parts, proposals = {}, y_pred["proposals"]
        else:
            noise = self._noise(y_pred["rpn_logits"], y_pred["rpn_logits"].shape[1], training)
            parts = self.proposer.losses(truth, y_pred, noise)
            proposals = self.proposer.propose(y_pred, training=True)
        count = proposals.shape[1] + truth["boxes"].shape[1]
        noise = self._noise(proposals, count, training)
        regions = sample_regions(proposals, truth, noise, self.options.sampling)
        parts.update(self._head_losses(y, y_pred, regions, training))
        # The parts ride in the predictions to `compute_metrics`.
        y_pred.update(parts)
        per_image = sum(parts.values())
        total = self.image_mean(per_image, per_image, sample_weight=sample_weight)
        return total + ops.sum(self.losses) if self.losses else total

    def _head_losses(self, y, raw, regions, training):
        raw = _features(raw)
        found = self.box_branch(raw, regions["boxes"], training=training)
        counted, logits, deltas = regions, found["class_logits"], found["box_deltas"]
        if self.options.hard_examples is not None:
            counted = head_losses.hard_regions(regions, logits, deltas, self.options.hard_examples)
        parts = {
            "class_loss": head_losses.region_class_loss(counted, logits),
            "box_loss": head_losses.region_box_loss(counted, deltas),
        }
        objects = {
            name: regions[name][:, : self.options.sampling.most_positive]
            for name in ("boxes", "labels", "matches")
        }
        where = (objects["boxes"], objects["matches"])
        if self.mask_branch is not None:
            logits = self.mask_branch(raw, objects["boxes"], training=training)
            targets = mask_targets(y["instance_masks"], *where, logits.shape[2:4])
            parts["mask_loss"] = head_losses.region_mask_loss(targets, logits, objects["labels"])
        if self.keypoint_branch is not None:
            logits = self.keypoint_branch(raw, objects["boxes"], training=training)
            targets, visible = keypoint_targets(y["keypoints"], *where, logits.shape[2:4])
            parts["keypoint_loss"] = head_losses.region_keypoint_loss(targets, visible, logits)
        return parts

    def _noise(self, like, count, training):
        """Uniform noise (B, count); always the same in validation."""
        shape = (ops.shape(like)[0], count)
        return keras.random.uniform(shape, seed=self.randomness if training else _FIXED_SEED)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Loss and its parts for the progress bar."""
        for metric in self.loss_parts:
            metric.update_state(y_pred[metric.name])
        return self.get_metrics_result()

    def set_classifier(self, classifier):
        """Say what the class scores are: of a "softmax", or of one "svm" for each class.

        Raises:
            ValueError: if they are neither.
        """
        if classifier not in _ACTIVATIONS:
            raise ValueError(
                f"`classifier` must be one of {tuple(_ACTIVATIONS)}. "
                f"Received: classifier={classifier!r}."
            )
        self.classifier = classifier

    def decoder(self, **options):
        """The layer that turns scores and offsets of regions into detections."""
        own = {
            "activation": _ACTIVATIONS[self.classifier],
            "score_threshold": self.options.score_threshold,
            "iou_threshold": self.options.iou_threshold,
            "max_detections": self.options.max_detections,
        }
        return RegionDecoder(self.image_size, name="decoder", **{**own, **options})

    def with_decoder(self, **options):
        """Functional model from images to detections.

        Args:
            **options: of `RegionDecoder`: `score_threshold`, `iou_threshold`, `max_detections`,
                `max_candidates`.

        Returns:
            `keras.Model`: what the model takes to {"boxes", "scores", "labels", "num_detections"}
            and, with their heads, "masks" (B, K, h, w), probabilities inside each box, and
            "keypoints" (B, K, J, 3): x and y in pixels, score.
        """
        raw = self.output
        proposals = raw["proposals"] if self.proposer is None else self.proposer.propose(raw)
        raw = _features(raw)
        results = self.decoder(**options)(self.box_branch(raw, proposals), proposals)
        boxes = results["boxes"]
        if self.mask_branch is not None:
            decoder = MaskDecoder(name="mask_decoder")
            results["masks"] = decoder(self.mask_branch(raw, boxes), results["labels"])
        if self.keypoint_branch is not None:
            decoder = KeypointDecoder(name="keypoint_decoder")
            results["keypoints"] = decoder(self.keypoint_branch(raw, boxes), boxes)
        return keras.Model(self.input, results, name=f"{self.name}_decoded")

    def card(self):
        """What an artefact of this model says about itself."""
        results = ["boxes", "scores", "labels", "num_detections"]
        results += [] if self.mask_branch is None else ["masks"]
        results += [] if self.keypoint_branch is None else ["keypoints"]
        return card_of(self, results, max_detections=self.options.max_detections)

    def get_config(self):
        """Arguments without `weights`: a saved model carries its own. Subclasses add theirs."""
        return {"name": self.name, **self.options.get_config()}

    @classmethod
    def from_config(cls, config):
        """Rebuild from `get_config`."""
        return cls(**config)


def _features(raw):
    """What regions are read from."""
    return {name: x for name, x in raw.items() if name not in _NO_FEATURES}
