"""Predictor: from a photo to detections in that photo's pixels."""

import numpy as np
import pytest

from keras_struct_edge import ArtefactError, load

BOTH = pytest.mark.parametrize("suffix", [".tflite", ".onnx"])


def test_finds_the_patches_in_pixels_of_the_photo(artefact, photo):
    found = load(artefact, threads=1)(photo)
    # 64 x 96 -> 32 x 32: a cell of 8 x 8 is 16 rows, 24 columns of the photo
    np.testing.assert_allclose(found.boxes, [[48, 16, 72, 32], [0, 48, 24, 64]])
    np.testing.assert_allclose(found.scores, [250 / 255, 200 / 255], atol=1e-6)
    assert found.names == ["red", "blue"]


@BOTH
def test_letterbox(write, suffix):
    predictor = load(write(suffix, input={"resize": "letterbox", "pad_value": 0}))
    photo = np.zeros((48, 96, 3), np.uint8)
    photo[24:48, 72:96, 1] = 240  # a third of the size: the cell in row 1, column 3
    found = predictor(photo)
    np.testing.assert_allclose(found.boxes, [[72, 24, 96, 48]])
    assert found.names == ["green"]


def test_nothing_found_is_empty(artefact):
    found = load(artefact)(np.zeros((9, 7, 3), np.uint8))
    assert len(found) == 0 and found.class_names == ("red", "green", "blue")


def test_call_is_the_three_steps(artefact, photo):
    predictor = load(artefact)
    batch = predictor.preprocess(photo)
    assert batch.shape == (1, 32, 32, 3) and batch.dtype == np.float32
    results = predictor.run(batch)
    assert set(results) == {"boxes", "scores", "labels", "num_detections"}
    assert results["labels"].tolist() == [[0, 2, -1, -1, -1]]
    assert results["num_detections"].tolist() == [2]
    np.testing.assert_allclose(results["boxes"][0, 0], [16, 8, 24, 16])  # network pixels
    assert predictor.postprocess(results, photo.shape[:2]) == predictor(photo)


@BOTH
def test_any_batch_size_where_the_card_says_so(write, photo, suffix):
    predictor = load(write(suffix, batch="any", batch_size=None))
    dark = np.zeros_like(photo)
    batch = np.concatenate([predictor.preprocess(image) for image in (dark, photo, dark)])
    results = predictor.run(batch)
    assert predictor.postprocess(results, photo.shape[:2], index=1) == predictor(photo)
    assert len(predictor.postprocess(results, photo.shape[:2], index=2)) == 0
    assert len(predictor.run(batch[:2])["scores"]) == 2  # and smaller again


def test_runtimes_agree(write):
    image = np.random.default_rng(0).integers(90, 256, (50, 70, 3), dtype=np.uint8)
    litert, onnx = (load(write(suffix))(image) for suffix in (".tflite", ".onnx"))
    np.testing.assert_array_equal(litert.labels, onnx.labels)
    np.testing.assert_allclose(litert.scores, onnx.scores, atol=1e-6)


def test_results_stay_when_the_next_image_runs(artefact, photo):
    predictor = load(artefact)
    first = predictor.run(predictor.preprocess(photo))
    kept = {name: value.copy() for name, value in first.items()}
    predictor(np.zeros_like(photo))
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])


def test_accepts_batches_that_are_not_contiguous(artefact, photo):
    predictor = load(artefact)
    batch = predictor.preprocess(photo)
    turned = np.ascontiguousarray(batch[:, ::-1])[:, ::-1]
    np.testing.assert_array_equal(predictor.run(turned)["scores"], predictor.run(batch)["scores"])


def test_one_thread_equals_two(artefact, photo):
    assert load(artefact, threads=1)(photo) == load(artefact, threads=2)(photo)


def test_class_names_may_be_absent(write, photo):
    assert load(write(class_names=[]))(photo).names == ["class 0", "class 2"]


def test_too_few_class_names_are_found_out(write, photo):
    with pytest.raises(ValueError, match="`labels` must be at least 0 and below the 1 classes"):
        load(write(class_names=["red"]))(photo)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (np.zeros((1, 32, 32, 3)), TypeError, r"float32 array of shape \(1, 32, 32, 3\).*float64"),
        (np.zeros((1, 32, 32, 3), np.uint8), TypeError, "uint8"),
        ([[0.0]], TypeError, "list"),
        (np.zeros((32, 32, 3), np.float32), ValueError, r"Received: batch of shape \(32, 32, 3\)"),
        (np.zeros((1, 3, 32, 32), np.float32), ValueError, r"\(1, 3, 32, 32\)"),
        (np.zeros((0, 32, 32, 3), np.float32), ValueError, r"\(0, 32, 32, 3\)"),
        (np.zeros((2, 32, 32, 3), np.float32), ValueError, "hold 1 image.*Received: 2"),
    ],
)
def test_wrong_batches_are_named(artefact, batch, error, message):
    with pytest.raises(error, match=message):
        load(artefact).run(batch)


def test_wrong_image_is_named(artefact):
    with pytest.raises(TypeError, match="`image` must have dtype uint8"):
        load(artefact)(np.zeros((4, 4, 3)))


def test_raw_networks_run_but_do_not_answer(write, photo):
    predictor = load(write(task="raw", results=["scores"]))
    assert "scores" in predictor.run(predictor.preprocess(photo))
    with pytest.raises(ValueError, match="network only.*decoder=True"):
        predictor(photo)


def test_unknown_tasks_are_named(write, photo):
    predictor = load(write(task="poses"))
    with pytest.raises(ValueError, match=r"must be one of \['detection', .*\].*task='poses'"):
        predictor(photo)


def test_missing_results_are_named(artefact):
    with pytest.raises(ValueError, match=r"Missing: \['boxes', 'scores'\]"):
        load(artefact).postprocess({"labels": np.zeros((1, 5))}, (4, 4))


@pytest.mark.parametrize(
    ("suffix", "member", "failure"),
    [(".tflite", "_runner", RuntimeError), (".onnx", "_session", Exception)],
)
def test_a_runtime_that_fails_names_the_file(write, photo, monkeypatch, suffix, member, failure):
    class Failing:
        def run(self, *arguments):
            raise failure("node 3\nfailed")

        def __call__(self, **arguments):
            raise failure("node 3\nfailed")

    predictor = load(write(suffix))
    monkeypatch.setattr(predictor._runtime, member, Failing())
    with pytest.raises(ArtefactError, match=rf"cannot run .*toy{suffix} \(node 3 failed\)"):
        predictor(photo)


def coloured(size):
    """A photo of `size`: the left quarter red, the rest blue, but green below its middle."""
    image = np.zeros((*size, 3), np.uint8)
    image[:, : size[1] // 4, 0] = 200
    image[:, size[1] // 4 :, 2] = 200
    image[size[0] // 2 :, size[1] // 4 :, 1] = 250
    return image


@BOTH
@pytest.mark.parametrize("size", [(48, 96), (24, 33), (12, 15)])
def test_label_maps_have_the_size_of_the_photo(write_labeller, suffix, size):
    found = load(write_labeller(suffix))(coloured(size))
    expected = coloured(size).argmax(axis=-1)
    assert found.labels.shape == size and found.class_names == ("red", "green", "blue")
    assert found.probabilities is None
    # only where the network's coarser pixels straddle a border may labels differ
    assert (found.labels != expected).mean() < 0.06
    assert found.labels[-1, -1] == 1 and found.labels[0, 0] == 0 and found.labels[0, -1] == 2


@BOTH
def test_label_maps_of_a_letterbox(write_labeller, suffix):
    predictor = load(write_labeller(suffix, input={"resize": "letterbox", "pad_value": 0}))
    photo = coloured((36, 96))  # a third of the size: 12 rows of 24
    np.testing.assert_array_equal(predictor(photo).labels, photo.argmax(axis=-1))


def test_probabilities_are_those_of_the_labels(write_labeller):
    predictor = load(write_labeller(results=["segmentation", "probabilities"]))
    photo = coloured((48, 60))
    found = predictor(photo)
    assert found.probabilities.shape == (48, 60, 3)
    np.testing.assert_array_equal(found.probabilities.argmax(axis=-1), found.labels)
    e = np.exp([4.0, 0.0, 0.0])  # red 200 over 50
    np.testing.assert_allclose(found.probabilities[0, 0], e / e.sum(), atol=1e-5)
    batch = predictor.preprocess(photo)
    assert predictor.postprocess(predictor.run(batch), (48, 60)) == found
    with pytest.raises(ValueError, match=r"Missing: \['probabilities'\]"):
        predictor.postprocess({"segmentation": np.zeros((1, 24, 32), int)}, (48, 60))
