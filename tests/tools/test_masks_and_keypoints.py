"""keras-struct predict and evaluate with an artefact that gives masks and keypoints."""

import json

import numpy as np
import pytest
from PIL import Image
from toy_artefact import write_toy

from keras_struct_edge import Detections

CELLS = np.ones((1, 28, 28))
POINTS = [[[x, 16, 0.9] for x in (4, 8, 16, 24, 28)]]


@pytest.fixture
def model(tmp_path):
    pytest.importorskip("onnx")
    return write_toy(
        tmp_path / "toy.onnx",
        class_names=("circle", "square", "triangle", "star", "cross", "ring"),
        boxes=((2, 2, 30, 30),),
        details={"masks": CELLS, "keypoints": POINTS},
        skeleton=[[0, 1]],
    )


def test_predict_writes_masks_and_keypoints(model, command, tmp_path):
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(tmp_path / "a.png")
    out = tmp_path / "found"
    code, *_ = command("predict", f"--model={model}", f"--images={tmp_path}", f"--output={out}")
    assert code == 0
    row = json.loads((out / "predictions.json").read_text())["images"][0]
    found = Detections.from_dict(row)
    assert found.masks.shape == (1, row["height"], row["width"])
    assert found.masks[0, 5:58, 8:88].all() and not found.masks[0, :, :6].any()
    np.testing.assert_allclose(found.keypoints[0, :2], [[12, 32, 0.9], [24, 32, 0.9]], atol=1e-5)
    with Image.open(out / "drawings" / "a.png.png") as drawing:
        drawn = np.asarray(drawing)
    assert drawn[50, 50].any() and not drawn[62, 50].any()


def test_evaluate_prints_their_numbers(model, command, tmp_path):
    file = tmp_path / "numbers.json"
    arguments = (f"--model={model}", "--data=shapes:4", f"--json={file}")
    code, out, _ = command("evaluate", *arguments)
    assert code == 0
    numbers = json.loads(file.read_text())
    for name in ("mask_mAP", "mask_mAP_large", "keypoint_mAP", "keypoint_mAP_medium"):
        assert f"{name} " in out and -1 <= numbers[name] <= 1
    assert "mask_AP_50" in out and "keypoint_AP" in out
    columns = {len(line) for line in out.split("\n\n")[0].splitlines()}
    assert len(columns) == 1  # aligned
