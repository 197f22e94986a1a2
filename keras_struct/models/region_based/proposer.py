"""Everything a region proposal network needs beside its layers: anchors, loss, decoding."""

import numpy as np

from keras_struct.layers.region_proposals import RegionProposals
from keras_struct.losses.proposal_loss import ProposalLoss
from keras_struct.ops.anchors import anchor_sizes, grid_anchors


class Proposer:
    """Proposals of anchors on the levels of a network, in training and at rest.

    Args:
        cells: {"P4": (rows, columns), ...}, the finest level first.
        image_size: (height, width), pixels.
        scales: sides of the square anchors over the stride, see `anchor_sizes`.
        ratios: height over width.
        kept: (in training, at rest), proposals of an image.
        decoded: (in training, at rest), anchors of a level that are decoded.
        border: pixels an anchor may reach beyond the image in training, or None for any.

    Raises:
        ValueError: if sizes, ratios or counts are not lists of such numbers.

    Attributes:
        anchors: (A, 4) float32, xyxy, pixels.
    """

    def __init__(self, cells, image_size, scales, ratios, kept, decoded, border):
        _check("anchor_scales", scales, (int, float))
        _check("anchor_ratios", ratios, (int, float))
        _check("num_proposals", kept, int, count=2)
        _check("num_decoded", decoded, int, count=2)
        sizes = anchor_sizes(cells, scales, ratios)
        steps = {level: 2 ** int(level[1:]) for level in cells}
        by_level = {
            level: grid_anchors({level: sizes[level]}, cells, image_size, steps) for level in cells
        }
        self.anchors = np.concatenate(list(by_level.values()))
        self.num_anchors = len(scales) * len(ratios)
        self.loss = ProposalLoss(image_size, border=border)
        self._layers = [
            RegionProposals(
                by_level, image_size, pre_nms=before, post_nms=after, name=f"proposals{suffix}"
            )
            for before, after, suffix in zip(decoded, kept, ("_in_training", ""), strict=True)
        ]

    def losses(self, truth, raw, noise):
        """Losses of the raw predictions, see `ProposalLoss`."""
        return self.loss.call(truth, raw, self.anchors, noise)

    def propose(self, raw, training=False):
        """Proposals (B, P, 4), xyxy, pixels, padded with zeros."""
        layer = self._layers[0 if training else 1]
        return layer(raw["rpn_logits"], raw["rpn_deltas"])["boxes"]


def _check(name, values, kind, count=None):
    if (
        not isinstance(values, tuple | list)
        or len(values) != (count or max(len(values), 1))
        or not all(isinstance(value, kind) and value > 0 for value in values)
    ):
        wanted = "(in training, at rest), two whole numbers" if count else "a list of numbers"
        raise ValueError(f"`{name}` must be {wanted}, each above 0. Received: {name}={values!r}.")
