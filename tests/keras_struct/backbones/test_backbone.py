import keras
import numpy as np
import pytest
from keras import ops

from keras_struct import backbones

SMALL = ["mobilenet_v1_025", "mobilenet_v2_035", "mobilenet_v3_small"]


def shapes(backbone):
    return {level: tensor.shape for level, tensor in backbone.output.items()}


@pytest.mark.parametrize("name", [*SMALL, "resnet50"])
def test_levels_have_the_stride_in_their_name(name):
    levels = shapes(backbones.create(name, 96))
    assert set(levels) == {"P1", "P2", "P3", "P4", "P5"}
    for level, shape in levels.items():
        assert shape[1:3] == (96 // 2 ** int(level[1:]),) * 2


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("image_size", [None, (300, 97)])
def test_odd_sizes_round_up(name, image_size):
    levels = backbones.create(name, image_size)(keras.Input((300, 97, 3)))
    assert [levels[f"P{i}"].shape[1] for i in (1, 2, 3, 4, 5)] == [150, 75, 38, 19, 10]
    assert [levels[f"P{i}"].shape[2] for i in (1, 2, 3, 4, 5)] == [49, 25, 13, 7, 4]


@pytest.mark.agnostic
def test_a_size_gives_static_shapes():
    levels = shapes(backbones.create("mobilenet_v2_035", (64, 96)))
    assert levels["P4"] == (None, 4, 6, 192)
    assert shapes(backbones.create("mobilenet_v2_035"))["P4"] == (None, None, None, 192)


@pytest.mark.agnostic
def test_levels_equal_the_application_on_scaled_pixels(tmp_path):
    application = keras.applications.MobileNetV2(
        (64, 64, 3), alpha=0.35, include_top=False, weights=None
    )
    path = tmp_path / "imagenet.weights.h5"
    application.save_weights(path)
    backbone = backbones.create("mobilenet_v2_035", 64, weights=str(path))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    expected = application(pixels / 127.5 - 1)
    np.testing.assert_allclose(backbone(pixels)["P5"], expected, atol=1e-5)


def test_mobilenet_v1_keeps_its_weights_and_values_at_even_sizes(tmp_path):
    application = keras.applications.MobileNet(
        (64, 64, 3), alpha=0.25, include_top=False, weights=None
    )
    path = tmp_path / "imagenet.weights.h5"
    application.save_weights(path)
    backbone = backbones.create("mobilenet_v1_025", 64, weights=str(path))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(backbone(pixels)["P5"], application(pixels / 127.5 - 1), atol=1e-5)


def test_resnet_pixels_are_bgr_less_the_mean():
    backbone = backbones.create("resnet50", 64)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    scaled = pixels[..., ::-1] - np.float32([103.939, 116.779, 123.68])
    features = backbone.get_layer("features")
    np.testing.assert_allclose(
        ops.convert_to_numpy(backbone(pixels)["P5"]),
        ops.convert_to_numpy(features(scaled)["P5"]),
        atol=1e-3,
    )


def test_batch_norm_momentum_suits_fine_tuning():
    features = backbones.create("mobilenet_v2_035", 64).get_layer("features")
    norms = [x for x in features.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert norms and {norm.momentum for norm in norms} == {0.97}


@pytest.mark.parametrize("name, block, wide", [(SMALL[1], 112, 1280), (SMALL[2], 96, 576)])
def test_deepest_level_with_and_without_the_width_of_the_classifier(name, block, wide):
    channels = [shapes(backbones.create(name, 64, widen=x))["P5"][-1] for x in (False, True)]
    assert channels == [block, wide]


def test_batch_norms_can_be_frozen():
    features = backbones.create("mobilenet_v2_035", freeze_batch_norm=True).get_layer("features")
    trained = [layer for layer in features.layers if layer.trainable_weights]
    assert trained and all(layer.name.lower().find("bn") < 0 for layer in trained)


def test_unknown_name_lists_the_backbones():
    with pytest.raises(ValueError, match="`backbone` must be one of mobilenet_v1, .*'mobilnet'"):
        backbones.create("mobilnet", 64)


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match="weights"):
        backbones.create("mobilenet_v2_035", 64, weights=str(tmp_path / "missing.h5"))
