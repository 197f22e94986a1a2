import numpy as np
import pytest

from keras_struct import data
from keras_struct.data.proposals import Proposals, key_of


def dataset_with_proposals(count=5, images=3, per_image=4, seed=0):
    dataset, found = data.shapes(images), Proposals()
    rng = np.random.default_rng(seed)
    for index in range(images):
        annotation = dataset.annotation(index)
        low = rng.uniform(0, [annotation["width"] / 2, annotation["height"] / 2], (per_image, 2))
        found.add(annotation, np.concatenate([low, low + rng.uniform(5, 60, low.shape)], 1))
    return dataset.with_proposals(found, count), found


def test_a_file_holds_what_was_found(tmp_path):
    dataset, found = dataset_with_proposals()
    found.save(tmp_path / "proposals.npz")
    again = Proposals.load(tmp_path / "proposals.npz")
    for index in range(3):
        annotation = dataset.annotation(index)
        np.testing.assert_array_equal(again.of(annotation), found.of(annotation))
    assert len(again) == 3 and [f.name for f in tmp_path.iterdir()] == ["proposals.npz"]


def test_batches_give_proposals_in_network_pixels_filled_up():
    dataset, found = dataset_with_proposals(count=6)
    batches = dataset.batches(3, (64, 96), fields=("bounding_boxes", "proposals"), shuffle=False)
    inputs, targets = next(iter(batches))
    assert set(inputs) == {"images", "proposals"} and "proposals" not in targets
    for index in range(3):
        annotation = dataset.annotation(index)
        scale = [96 / annotation["width"], 64 / annotation["height"]] * 2
        limits = [96, 64] * 2
        expected = np.minimum(found.of(annotation) * scale, limits)
        np.testing.assert_allclose(inputs["proposals"][index][:4], expected, atol=1e-3)
        assert not np.any(inputs["proposals"][index][4:])


def test_only_the_best_are_taken():
    dataset, found = dataset_with_proposals(count=2)
    sample = dataset.read(1, ("proposals",))
    np.testing.assert_array_equal(sample["proposals"], found.of(dataset.annotation(1))[:2])


def test_proposals_follow_their_objects_through_augmentation():
    dataset, found = data.shapes(8), Proposals()
    for index in range(8):
        found.add(dataset.annotation(index), dataset.annotation(index)["boxes"])
    batches = dataset.with_proposals(found, 40).batches(
        8, 96, fields=("bounding_boxes", "proposals"), augment=True, seed=3
    )
    inputs, targets = next(iter(batches))
    boxes, labels = targets["bounding_boxes"]["boxes"], targets["bounding_boxes"]["labels"]
    proposals = np.asarray(inputs["proposals"])
    compared = 0
    for image in range(8):
        for box in np.asarray(boxes[image])[np.asarray(labels[image]) >= 0]:
            assert np.abs(proposals[image] - box).max(axis=1).min() < 1e-3
            compared += 1
    assert compared > 5


def test_what_is_missing_or_of_another_size_is_named(tmp_path):
    dataset, found = data.shapes(2), Proposals()
    found.add(dataset.annotation(0), np.zeros((1, 4)))
    with pytest.raises(data.DatasetError, match="missing.*keras-struct propose"):
        dataset.with_proposals(found)
    other = {**dataset.annotation(1), "height": 7}
    found.add(other, np.zeros((1, 4)))
    with pytest.raises(data.DatasetError, match="of one of \\(7,"):
        dataset.with_proposals(found)
    (tmp_path / "broken.npz").write_bytes(b"PK not a file")
    with pytest.raises(data.DatasetError, match="must be a file of"):
        dataset.with_proposals(tmp_path / "broken.npz")
    with pytest.raises(ValueError, match="`boxes` must be finite"):
        found.add(dataset.annotation(0), [[5, 5, 1, 1]])
    with pytest.raises(ValueError, match="`count` must be"):
        dataset.with_proposals(found, 0)


def test_images_are_known_by_file_and_folder():
    assert key_of({"file": "/somewhere/images/a.jpg"}) == "images/a.jpg"
    assert key_of({"file": None, "image_id": 7}) == "image 7"


def test_selective_search_finds_a_square():
    image = np.full((120, 160, 3), 230, "uint8")
    image[30:70, 40:90] = (200, 30, 40)
    boxes = data.selective_search(image)
    low, high = np.maximum(boxes[:, :2], (40, 30)), np.minimum(boxes[:, 2:], (90, 70))
    both = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + 2000 - both
    assert (both / union).max() > 0.9
    with pytest.raises(ValueError, match="`mode` must be one of"):
        data.selective_search(image, "slow")
