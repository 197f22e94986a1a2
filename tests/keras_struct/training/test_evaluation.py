"""evaluate: results come back to original pixels, whatever the batch and the resizing."""

import numpy as np
import pytest

from keras_struct.training import BatchPredictor, evaluate, predictions


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_true_boxes_score_one(shapes, oracle, resize, batch_size):
    steps = []
    model = oracle(shapes, 48, resize)
    numbers = evaluate(model, shapes, batch_size, lambda done, total: steps.append((done, total)))
    assert numbers["mAP"] == numbers["voc12_mAP"] == 1.0
    assert steps == [(i + 1, 5) for i in range(5)]
    assert set(model.batch_sizes) == {batch_size}  # the last one is filled up


def test_predictions_are_in_original_pixels_and_order(shapes, oracle):
    for index, truth, result in predictions(oracle(shapes, 64, "letterbox"), shapes, 2):
        assert truth["image_id"] == shapes.annotation(index)["image_id"]
        np.testing.assert_allclose(result["boxes"], truth["boxes"], atol=1e-3)
        assert len(result["labels"]) == len(truth["labels"])


def test_a_plain_function_needs_size_and_resize(shapes, oracle):
    model = oracle(shapes, 32, "stretch")
    plain = lambda images: model(images)  # noqa: E731
    known = {"task": "detection", "image_size": 32, "resize": "stretch"}
    assert evaluate(plain, shapes, 5, **known)["mAP"] == 1.0
    for missing in known:
        with pytest.raises(ValueError, match="come with `task`, `image_size` and `resize`"):
            evaluate(plain, shapes, **{**known, missing: None})


def test_other_classes_are_an_error(shapes, constant):
    constant.class_names = ("cat",)
    with pytest.raises(ValueError, match=r"same classes. Received: model with 1 \['cat'\]"):
        evaluate(constant, shapes)


def test_predictor_follows_the_weights(shapes, constant):
    predictor = BatchPredictor(constant)
    images = np.full((1, 32, 32, 3), 255.0, np.float32)
    for value in (0.0, 5.0):
        constant.get_layer("dense").set_weights([np.zeros((3, 1)), np.array([value])])
        assert np.asarray(predictor(images)["boxes"])[0, 0, 2] == 8.0 + value
