"""The converter of the nuclei: its files read back as the label maps they came from."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_struct import data

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "nuclei_to_coco.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("nuclei_to_coco", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LABELS = np.zeros((6, 8), "uint16")
LABELS[1:3, 2:5] = 1
LABELS[4:6, 0:2] = 300  # more than a byte
LABELS[5, 7] = 300  # in two pieces


def nuclei(folder, labels=LABELS, label_ids=(1, 300)):
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(np.zeros((6, 8, 3), "uint8")).save(folder / "images" / "n.png")
    Image.fromarray(labels).save(folder / "labels" / "n.png")
    image = {"id": 4, "file_name": "n.png", "label_file": "n.png", "height": 6, "width": 8}
    box = {"image_id": 4, "category_id": 1, "bbox": [0, 0, 8, 6], "iscrowd": 0, "area": 5}
    content = {
        "images": [image],
        "categories": [{"id": 1, "name": "nucleus"}],
        "annotations": [{**box, "id": i, "label_id": one} for i, one in enumerate(label_ids)],
    }
    (folder / "instances_val.json").write_text(json.dumps(content))
    return folder


def run(script, monkeypatch, folder, output):
    arguments = ["--nuclei", str(folder), "--output", str(output), "--splits=val"]
    monkeypatch.setattr("sys.argv", ["nuclei_to_coco.py", *arguments])
    return script.main()


def test_masks_are_those_of_the_label_maps(script, monkeypatch, tmp_path, capsys):
    folder, output = nuclei(tmp_path / "nuclei"), tmp_path / "made"
    assert run(script, monkeypatch, folder, output) == 0
    assert "1 images, 2 nuclei; of those read back 0 differ" in capsys.readouterr().out
    assert [path.name for path in output.iterdir()] == ["instances_val.json"]
    dataset = data.open(f"coco:{output}/instances_{{split}}.json,{folder}/images", "val")
    masks = dataset.read(0, "instance_masks")["instance_masks"]
    np.testing.assert_array_equal(masks, [LABELS == 1, LABELS == 300])


def test_a_mask_that_differs_is_counted(script, monkeypatch, tmp_path):
    folder, output = nuclei(tmp_path / "nuclei"), tmp_path / "made"
    run(script, monkeypatch, folder, output)
    changed = LABELS.copy()
    changed[0, 0] = 300
    Image.fromarray(changed).save(folder / "labels" / "n.png")
    assert script.differing(output / "instances_val.json", folder, most=5) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_ids": (1, 2)}, "must hold a pixel of `label_id` 2. There is none"),
        ({"labels": LABELS[:5]}, r"must have the size of its image, \(6, 8\)"),
    ],
)
def test_label_maps_that_do_not_fit_are_named(script, monkeypatch, tmp_path, change, message):
    folder = nuclei(tmp_path / "nuclei", **change)
    with pytest.raises(ValueError, match=rf"n\.png: {message}"):
        run(script, monkeypatch, folder, tmp_path / "made")
    assert not list((tmp_path / "made").iterdir())
