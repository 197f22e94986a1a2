import keras
import numpy as np
import pytest
from keras import ops

from keras_struct.layers import AnchorDecoder

pytestmark = pytest.mark.agnostic

ANCHORS = np.float32([[10, 10, 30, 30], [50, 50, 90, 70], [0, 0, 20, 20]])


def predictions(logits, deltas=None):
    deltas = np.zeros((1, 3, 4)) if deltas is None else deltas
    return {
        "box_deltas": ops.convert_to_tensor(deltas, "float32"),
        "class_logits": ops.convert_to_tensor([logits], "float32"),
    }


def numpy_result(decoder, inputs):
    return {name: ops.convert_to_numpy(value)[0] for name, value in decoder(inputs).items()}


def test_background_is_dropped_and_labels_count_from_zero():
    decoder = AnchorDecoder(ANCHORS, 100, max_detections=4)
    logits = [[0.0, 9, 0], [0.0, 0, 8], [9.0, 0, 0]]  # background, class 0, class 1
    result = numpy_result(decoder, predictions(logits))
    assert result["labels"][:2].tolist() == [0, 1]
    np.testing.assert_allclose(result["boxes"][:2], ANCHORS[:2], atol=1e-4)
    expected = np.exp([9, 8]) / (np.exp([9, 8]) + 2)
    np.testing.assert_allclose(result["scores"][:2], expected, rtol=1e-5)


def test_sigmoid_scores_have_no_background():
    decoder = AnchorDecoder(ANCHORS, 100, has_background=False, max_detections=4)
    result = numpy_result(decoder, predictions([[2.0, -9], [-9, 1], [-9, -9]]))
    assert int(result["num_detections"]) == 2
    np.testing.assert_allclose(result["scores"][:2], 1 / (1 + np.exp([-2, -1])), rtol=1e-5)
    assert result["labels"].tolist() == [0, 1, -1, -1]


def test_offsets_are_scaled_by_variances_and_boxes_clipped_to_the_image():
    decoder = AnchorDecoder(ANCHORS, 100, has_background=False, max_detections=1)
    deltas = np.zeros((1, 3, 4))
    deltas[0, 1] = [5.0, 0.0, np.log(2) / 0.2, 0.0]  # centre 70 -> 90, width 40 -> 80
    result = numpy_result(decoder, predictions([[-9.0], [3], [-9]], deltas))
    np.testing.assert_allclose(result["boxes"][0], [50, 50, 100, 70], atol=1e-4)


def test_nothing_above_the_threshold_is_an_empty_result():
    decoder = AnchorDecoder(ANCHORS, 100, has_background=False, score_threshold=0.5)
    result = numpy_result(decoder, predictions([[-9.0], [-9], [-9]]))
    assert int(result["num_detections"]) == 0
    assert not result["boxes"].any() and (result["labels"] == -1).all()


def test_saved_with_its_anchors(tmp_path):
    shapes = {"box_deltas": (3, 4), "class_logits": (3, 2)}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    model = keras.Model(inputs, AnchorDecoder(ANCHORS, 100, iou_threshold=0.3)(inputs))
    model.save(tmp_path / "decoder.keras")
    loaded = keras.saving.load_model(tmp_path / "decoder.keras").layers[-1]
    np.testing.assert_array_equal(loaded.anchors, ANCHORS)
    assert loaded.iou_threshold == 0.3


def test_anchors_must_be_boxes():
    with pytest.raises(ValueError, match=r"`anchors` must be \(A, 4\). Received: .*\(3, 2\)"):
        AnchorDecoder(np.zeros((3, 2)), 100)
