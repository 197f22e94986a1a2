"""Region-based detectors in artefacts, decoding inside: the detections of Keras, on all targets."""

import keras
import numpy as np
import pytest

from keras_struct import models
from keras_struct_export import export
from keras_struct_export.samples import synthetic_images

SIZE = 96
SMALL = {"num_proposals": (60, 20), "max_detections": 12, "regions_per_image": 16}


def randomized(model):
    """Heads that tell regions apart: those of a new model say the same of all."""
    rng = np.random.default_rng(0)
    branches = [model.box_branch, model.mask_branch, model.keypoint_branch]
    for branch in filter(None, branches):
        for weight in branch.weights[-4:]:
            weight.assign(rng.normal(size=weight.shape, scale=0.3))
    return model


@pytest.fixture(scope="module")
def mask_rcnn():
    keras.utils.set_random_seed(0)
    pyramid = {"width": 16, "units": 24, "canonical_size": 96, "anchor_scales": (4,)}
    heads = {"mask_width": 8, "num_keypoints": 3, "keypoint_width": 8}
    return randomized(models.MaskRCNN("mobilenet_v2_035", 3, SIZE, **pyramid, **heads, **SMALL))


@pytest.fixture(scope="module")
def rfcn():
    keras.utils.set_random_seed(0)
    model = models.RFCN(
        "mobilenet_v2_035", 3, SIZE, width=32, anchor_scales=(2, 4), num_decoded=(400, 200), **SMALL
    )
    rng = np.random.default_rng(0)
    for name in ("class_maps", "box_maps"):
        layer = model.get_layer(name)
        layer.set_weights([rng.normal(size=w.shape, scale=0.3) for w in layer.get_weights()])
    return model


def samples():
    return synthetic_images(4, {"height": SIZE, "width": SIZE, "channels": 3})


def check(report, details):
    found = report.comparison
    assert found.agreed == found.compared > 20 and not found.missing and not found.extra
    assert found.box_error < 1e-2 and found.score_error < 1e-4
    if details:
        assert found.mask_iou > 0.99
        assert found.keypoints == 3 * found.compared and found.keypoints_agreed == found.keypoints


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_mask_rcnn_finds_the_same_boxes_masks_and_keypoints(mask_rcnn, suffix, tmp_path):
    check(export(mask_rcnn, tmp_path / f"mask.{suffix}", samples=samples()), details=True)


def test_rfcn_finds_the_same(rfcn, tmp_path):
    check(export(rfcn, tmp_path / "rfcn.tflite", samples=samples()), details=False)


def test_engines_are_built_without_plugins(mask_rcnn, rfcn, tmp_path):
    for name, model in (("mask", mask_rcnn), ("rfcn", rfcn)):
        report = export(model, tmp_path / f"{name}.engine", precision="float16", samples=samples())
        assert report.path.stat().st_size > 1e5
        assert report.comparison.agreed >= 0.9 * report.comparison.compared
