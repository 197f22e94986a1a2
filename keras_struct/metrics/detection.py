"""How good detections are: COCO's numbers of boxes, masks and keypoints, and PASCAL VOC's two."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_struct.metrics import details, voc
from keras_struct.metrics.coco import coco_numbers

_TRUTH = ("boxes", "labels")
_RESULT = ("boxes", "scores", "labels")
_DETAILS = {"masks": ("segm", "mask"), "keypoints": ("keypoints", "keypoint")}


class DetectionMetrics:
    """Collects detections image by image and gives COCO and PASCAL VOC average precision.

    It keeps a few numbers per box and masks as run lengths, never pixels. Masks and keypoints are
    judged where the truth and the results of all images have them. One rule for what is not
    defined: -1.0 means there was no object to find (COCO's sign; such classes are left out of the
    means), 0.0 means there were objects and none was found. It never prints.

    COCO has no `difficult` flag: its numbers count such objects like all others, the VOC numbers
    leave them out. VOC has no crowds: there, detections inside one are not counted, as in COCO.
    See `keras_struct.metrics.voc` for the details in which VOC numbers differ between programs.

    Args:
        class_names: names of the classes, all different; label c is `class_names[c]`.
        keypoint_sigmas: (J,) positive floats of COCO's keypoint similarity, how far apart people
            place a keypoint, over the square root of the object's area; None for COCO's where
            there are its 17 of a person, and 0.05 for each otherwise.

    Raises:
        ValueError: if `class_names` is empty or repeats a name or a sigma is not positive, or
            (from `update`) if an image comes twice or a field is missing, badly shaped, or holds
            an unknown label.

    Example:
        >>> metrics = DetectionMetrics(["cat"])
        >>> truth = {"boxes": [[0, 0, 10, 10]], "labels": [0]}
        >>> metrics.update("a.jpg", truth, {**truth, "scores": [0.9]})
        >>> round(metrics.result()["mAP"], 6)
        1.0
    """

    def __init__(
        self, class_names: Sequence[str], keypoint_sigmas: Sequence[float] | None = None
    ) -> None:
        names = tuple(class_names)
        if isinstance(class_names, str) or not names or len(set(names)) != len(names):
            raise ValueError(
                "`class_names` must be a non-empty sequence of different names. "
                f"Received: class_names={class_names!r}."
            )
        self.class_names = names
        self.keypoint_sigmas = details.check_sigmas(keypoint_sigmas)
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self._images: dict[Any, tuple[dict, dict]] = {}
        self._details: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self._images)

    def update(self, image_id: Any, truth: dict, result: dict) -> None:
        """Add one image.

        Args:
            image_id: anything hashable, different for every image.
            truth: "boxes" (N, 4) xyxy original pixels, "labels" (N,) int; optional "crowd" and
                "difficult" (N,) bool, "areas" (N,) pixels (default: the box's area), "masks" (N,
                H, W) or N run lengths {"size", "counts"}, "keypoints" (N, J, 3) of x, y and
                visibility (0: not annotated).
            result: "boxes" (K, 4), "scores" (K,), "labels" (K,), without padding; optional
                "masks" and "keypoints" as in the truth, a keypoint's score for its visibility.

        Raises:
            ValueError: if `image_id` was seen before, a field does not fit, or the images before
                had other fields.
        """
        if image_id in self._images:
            raise ValueError(
                "`image_id` must be different for every image. "
                f"Received: image_id={image_id!r} a second time. Call reset() between evaluations."
            )
        shared = self._shared_details(truth, result)
        truth = self._checked(truth, _TRUTH, shared, f"truth of image {image_id!r}")
        result = self._checked(result, _RESULT, shared, f"result of image {image_id!r}")
        if "masks" in shared:
            details.check_same_size(truth["masks"], result["masks"], f"image {image_id!r}")
        self._details = shared
        result["status"] = voc.match_image(truth, result)
        self._images[image_id] = (truth, result)

    def result(self) -> dict[str, Any]:
        """The numbers over all images added since the last `reset`.

        Returns:
            dict of floats: COCO's "mAP" (IoU .50:.95), "mAP_50", "mAP_75", "mAP_small" (below
            32 x 32 pixels), "mAP_medium", "mAP_large" (96 x 96 and above), "AR_1", "AR_10",
            "AR_100", "AR_small", "AR_medium", "AR_large"; "voc07_mAP" (11 points) and "voc12_mAP"
            (all points), both at IoU .5; and "per_class": {name: {"AP", "AP_50", "voc12_AP"}}.
            With masks also "mask_mAP", "mask_mAP_50", ..., "mask_mAP_large" and by class
            "mask_AP", "mask_AP_50"; with keypoints "keypoint_mAP" (OKS .50:.95, the 20 best of an
            image, no small objects), "keypoint_mAP_50", "keypoint_mAP_75", "keypoint_mAP_medium",
            "keypoint_mAP_large" and by class "keypoint_AP", "keypoint_AP_50".

        Raises:
            ValueError: if images have different numbers of keypoints.
        """
        truths = [truth for truth, _ in self._images.values()]
        results = [result for _, result in self._images.values()]
        numbers, ap, ap_50 = coco_numbers(truths, results, len(self.class_names))
        voc07, voc12 = self._voc(truths, results)
        numbers["voc07_mAP"], numbers["voc12_mAP"] = _mean(voc07), _mean(voc12)
        per_class = {
            name: {"AP": float(ap[c]), "AP_50": float(ap_50[c]), "voc12_AP": voc12[c]}
            for c, name in enumerate(self.class_names)
        }
        for detail in self._details:
            kind, word = _DETAILS[detail]
            sigmas = None
            if kind == "keypoints":
                sigmas = details.sigmas_for([*truths, *results], self.keypoint_sigmas)
            more, ap, ap_50 = coco_numbers(truths, results, len(self.class_names), kind, sigmas)
            numbers.update(more)
            for c, name in enumerate(self.class_names):
                per_class[name] |= {f"{word}_AP": float(ap[c]), f"{word}_AP_50": float(ap_50[c])}
        return {**numbers, "per_class": per_class}

    def _shared_details(self, truth: dict, result: dict) -> tuple[str, ...]:
        shared = tuple(name for name in _DETAILS if name in truth and name in result)
        if self._images and shared != self._details:
            raise ValueError(
                "`truth` and `result` must have the same of masks and keypoints in all images. "
                f"Received: {shared} after images with {self._details}. Leave them out, or give "
                "empty ones where an image has no object."
            )
        return shared

    def _voc(self, truths: list[dict], results: list[dict]) -> tuple[list[float], list[float]]:
        if not truths:
            undefined = [-1.0] * len(self.class_names)
            return undefined, undefined
        truth = {key: np.concatenate([t[key] for t in truths]) for key in ("labels", "wanted")}
        found = {
            key: np.concatenate([r[key] for r in results]) for key in ("labels", "scores", "status")
        }
        voc07, voc12 = [], []
        for label in range(len(self.class_names)):
            num_objects = int(np.sum(truth["wanted"] & (truth["labels"] == label)))
            keep = (found["labels"] == label) & (found["status"] != voc.IGNORED)
            scores, hits = found["scores"][keep], found["status"][keep] == voc.TRUE_POSITIVE
            voc07.append(voc.average_precision(scores, hits, num_objects, points=11))
            voc12.append(voc.average_precision(scores, hits, num_objects))
        return voc07, voc12

    def _checked(self, fields: dict, required: tuple, shared: tuple, what: str) -> dict:
        """The fields as arrays of one length, or an error that names the field."""
        missing = [name for name in required if name not in fields]
        if missing:
            raise ValueError(f"The {what} must have {required}. Received: {sorted(fields)}.")
        boxes = np.asarray(fields["boxes"], np.float64)
        boxes = boxes.reshape((0, 4)) if boxes.size == 0 else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.all(np.isfinite(boxes)):
            raise ValueError(
                f"`boxes` in the {what} must be finite and of shape (N, 4). "
                f"Received: shape={boxes.shape}, finite={bool(np.all(np.isfinite(boxes)))}."
            )
        checked = {"boxes": boxes, "labels": np.asarray(fields["labels"], np.int64).reshape(-1)}
        if "scores" in required:
            checked["scores"] = np.asarray(fields["scores"], np.float64).reshape(-1)
        else:
            checked.update(_truth_flags(fields, boxes))
        for name, value in checked.items():
            if len(value) != len(boxes):
                raise ValueError(
                    f"`{name}` in the {what} must have one entry a box. "
                    f"Received: {len(value)} for {len(boxes)} boxes."
                )
        labels = checked["labels"]
        if np.any((labels < 0) | (labels >= len(self.class_names))):
            raise ValueError(
                f"`labels` in the {what} must be in [0, {len(self.class_names)}). "
                f"Received: {sorted(set(labels.tolist()))}. Drop padding (label -1) first."
            )
        if "masks" in shared:
            checked["masks"] = details.check_masks(fields["masks"], len(boxes), what)
        if "keypoints" in shared:
            checked["keypoints"] = details.check_keypoints(fields["keypoints"], len(boxes), what)
        return checked


def _truth_flags(fields: dict, boxes: np.ndarray) -> dict[str, np.ndarray]:
    no = np.zeros(len(boxes), bool)
    crowd = np.asarray(fields.get("crowd", no), bool).reshape(-1)
    difficult = np.asarray(fields.get("difficult", no), bool).reshape(-1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    areas = np.asarray(fields.get("areas", area), np.float64).reshape(-1)
    wanted = ~(crowd | difficult) if len(crowd) == len(difficult) else no
    return {"crowd": crowd, "difficult": difficult, "areas": areas, "wanted": wanted}


def _mean(values: list[float]) -> float:
    defined = [value for value in values if value >= 0]
    return float(np.mean(defined)) if defined else -1.0
