"""Mask R-CNN: Faster R-CNN that also draws each object, or finds its keypoints."""

import keras

from keras_struct.models.region_based.branches import KeypointBranch, MaskBranch
from keras_struct.models.region_based.faster_rcnn import FasterRCNN


@keras.saving.register_keras_serializable(package="keras_struct")
class MaskRCNN(FasterRCNN):
    """Mask R-CNN: boxes, a mask for each and, if wanted, keypoints.

    Without masks and keypoints it is Faster R-CNN. Train it on
    `dataset.batches(..., fields=model.fields)`.

    Args:
        backbone: one of `keras_struct.backbones.names()`.
        num_classes: int, object classes without background.
        image_size: int or (height, width), pixels of the input image.
        masks: bool, whether it has the mask head: 28x28 cells a box, a mask for every class.
        num_keypoints: int, keypoints of an object; 0 for no keypoint head.
        mask_width: int, channels of the mask head.
        keypoint_width: int, channels of the keypoint head.
        **options: arguments of `FasterRCNN`.

    Raises:
        ValueError: for arguments that do not fit.

    Source: He et al. 2017, arXiv:1703.06870.
    """

    def __init__(
        self,
        backbone,
        num_classes,
        image_size,
        *,
        masks=True,
        num_keypoints=0,
        mask_width=256,
        keypoint_width=512,
        **options,
    ):
        if type(num_keypoints) is not int or num_keypoints < 0:
            raise ValueError(
                "`num_keypoints` must be an integer of at least 0. "
                f"Received: num_keypoints={num_keypoints!r}."
            )
        self._heads = {
            "masks": bool(masks),
            "num_keypoints": num_keypoints,
            "mask_width": mask_width,
            "keypoint_width": keypoint_width,
        }
        super().__init__(backbone, num_classes, image_size, **options)

    def _more_branches(self, trunk, features, options):
        branches, heads = {}, self._heads
        if heads["masks"]:
            branches["masks"] = MaskBranch(
                features(14, name="mask_features"),
                options.num_classes,
                trunk.stage,
                heads["mask_width"],
                name="mask_branch",
            )
        if heads["num_keypoints"]:
            branches["keypoints"] = KeypointBranch(
                features(14, name="keypoint_features"),
                heads["num_keypoints"],
                heads["keypoint_width"],
                name="keypoint_branch",
            )
        return branches

    def get_config(self):
        return {**super().get_config(), **self._heads}
