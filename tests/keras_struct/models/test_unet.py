import keras
import numpy as np
import pytest
from keras import ops

import keras_struct as ks
from keras_struct.models.labelling.unet_paths import backbone_path, padded_size, valid_size

LIGHT = "mobilenet_v2_035"


def images(height, width, count=1, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (count, height, width, 3)).astype("float32")


def logits(model, batch):
    return ops.convert_to_numpy(model(batch)["logits"])


def small_valid(size=60):
    return ks.models.UNet("plain", 3, size, padding="valid", depth=2, width=4)


def plain_parameters(channels, num_classes, width=64, depth=4):
    """Counted level by level: two 3x3 convolutions each way, 2x2 up-convolutions, biases."""
    total = 0
    for index in range(depth + 1):
        wide = width * 2**index
        total += (9 * channels + 1) * wide + (9 * wide + 1) * wide
        channels = wide
    for index in reversed(range(depth)):
        wide = width * 2**index
        total += (4 * 2 * wide + 1) * wide + (9 * 2 * wide + 1) * wide + (9 * wide + 1) * wide
    return total + (width + 1) * num_classes


def test_published_network():
    model = ks.models.UNet("plain", num_classes=2, image_size=572, padding="valid")
    assert model.count_params() == plain_parameters(3, 2) == 31_031_810
    assert valid_size(572, depth=4) == 388
    kernel = model.get_layer("down_2_conv1").get_weights()[0]
    assert kernel.std() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)


@pytest.mark.agnostic
def test_valid_convolutions_label_the_middle():
    model = small_valid()
    assert logits(model, images(60, 76)).shape == (1, 20, 36, 3)
    assert valid_size(60, 2) == 20 and valid_size(76, 2) == 36 and valid_size(61, 2) is None
    assert [padded_size(side, 2) for side in (20, 21, 22)] == [60, 64, 64]


def test_sides_that_do_not_halve_evenly():
    with pytest.raises(ValueError, match=r"halve evenly .*height=62, width=60. Nearest .*\[60, 64"):
        small_valid()(images(62, 60))


@pytest.mark.agnostic
def test_mirrored_image_gets_a_label_everywhere():
    model, batch = small_valid(), images(60, 60)
    whole = ops.convert_to_numpy(model.whole_logits(batch))
    assert whole.shape == (1, 60, 60, 3)
    np.testing.assert_allclose(whole[:, 20:40, 20:40], logits(model, batch), atol=1e-5)
    mirrored = np.pad(batch, [(0, 0), (20, 20), (20, 20), (0, 0)], mode="reflect")
    np.testing.assert_allclose(whole, logits(model, mirrored), atol=1e-5)
    result = model.with_decoder((45, 53))(images(45, 53))["segmentation"]
    assert result.shape == (1, 45, 53)


def test_image_smaller_than_its_mirrored_border():
    with pytest.raises(ValueError, match=r"larger than the border .*height=18, width=40, border"):
        small_valid().whole_logits(images(18, 40))


@pytest.mark.agnostic
def test_loss_of_valid_convolutions_sees_the_middle_of_the_labels():
    model = small_valid()
    raw = {"logits": ops.convert_to_tensor(images(20, 20) / 50)}
    labels = np.random.default_rng(1).integers(0, 3, (1, 60, 60, 1)).astype("uint8")
    weights = np.random.default_rng(2).uniform(0, 2, (1, 60, 60, 1)).astype("float32")

    def loss(labels, **more):
        return float(model.compute_loss(y={"segmentation_masks": labels, **more}, y_pred=dict(raw)))

    around = labels.copy()
    around[:, :20] = around[:, 40:] = 0
    assert loss(around) == loss(labels)
    scores = images(20, 20)[0] / 50
    shifted = scores - scores.max(-1, keepdims=True)
    all_losses = (
        np.log(np.exp(shifted).sum(-1))
        - np.take_along_axis(shifted, labels[0, 20:40, 20:40].astype(int), -1)[..., 0]
    )
    middle = weights[0, 20:40, 20:40, 0]
    expected = (all_losses * middle).sum() / middle.sum()
    assert loss(labels, pixel_weights=weights) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [(65, 97), (32, 33), (64, 96)])
def test_logits_at_stride_2_on_a_backbone_and_1_on_the_plain(size):
    light = ks.models.UNet(LIGHT, 3, size)
    assert logits(light, images(*size)).shape == (1, -(-size[0] // 2), -(-size[1] // 2), 3)
    plain = ks.models.UNet("plain", 3, size, width=4, depth=3)
    assert logits(plain, images(*size)).shape == (1, *size, 3)


def test_decoder_is_light():
    model = ks.models.UNet("mobilenet_v2", 11, (180, 240))
    encoder = model.get_layer("mobilenet_v2").count_params()
    assert model.count_params() - encoder < 0.3 * encoder
    widths = [model.get_layer(f"smooth_p{i}_conv").filters for i in (1, 2, 3, 4)]
    assert widths == [32, 64, 128, 128]


@pytest.mark.agnostic
def test_deepest_level_gives_context_to_the_whole_image():
    sizes = {"P1": (64, 4), "P2": (32, 8), "P3": (16, 8), "P4": (8, 8), "P5": (4, 16)}
    inputs = {name: keras.Input((n, n, c), name=name) for name, (n, c) in sizes.items()}
    decoder = keras.Model(inputs, backbone_path(inputs, 8))
    rng = np.random.default_rng(0)
    levels = {name: rng.normal(size=(1, n, n, c)) for name, (n, c) in sizes.items()}
    before = ops.convert_to_numpy(decoder(levels))
    levels["P5"][:, 0, 0] += 1
    change = np.abs(ops.convert_to_numpy(decoder(levels)) - before)
    assert change[:, -8:, -8:].max() > 0


def labelled_batch(height=48, width=64, count=4):
    """Bright rectangles on noise, labelled 1 and 2."""
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 60, (count, height, width, 3)).astype("float32")
    labels = np.zeros((count, height, width, 1), "uint8")
    for index in range(count):
        for label in (1, 2):
            y, x = rng.integers(0, height - 20), rng.integers(0, width - 20)
            pictures[index, y : y + 20, x : x + 20, label] = 255
            labels[index, y : y + 20, x : x + 20] = label
    labels[:, :2] = 255
    return pictures, {"segmentation_masks": labels}


@pytest.mark.parametrize(
    "backbone, options, epochs", [(LIGHT, {}, 12), ("plain", {"width": 8, "depth": 2}, 24)]
)
def test_learns_a_batch_by_heart(backbone, options, epochs):
    keras.utils.set_random_seed(0)
    model = ks.models.UNet(backbone, 3, (48, 64), **options)
    model.compile(keras.optimizers.AdamW(5e-3), jit_compile=False)
    pictures, truth = labelled_batch()
    losses = model.fit(pictures, truth, batch_size=4, epochs=epochs, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4


def test_frozen_batch_norms_stay():
    features = {}
    for freeze in (True, False):
        model = ks.models.UNet(LIGHT, 3, (48, 64), freeze_batch_norm=freeze)
        norm = model.get_layer(LIGHT).get_layer("features").get_layer("block_6_expand_BN")
        before = norm.get_weights()
        model(labelled_batch()[0], training=True)
        stays = all(map(np.array_equal, before, norm.get_weights()))
        features[freeze] = stays, len(norm.trainable_variables)
    assert features == {True: (True, 0), False: (False, 2)}


@pytest.mark.parametrize(
    "backbone, options",
    [
        (LIGHT, {"freeze_batch_norm": True, "dropout": 0.2, "width": 16, "loss": "cross_entropy"}),
        ("plain", {"padding": "valid", "width": 4, "depth": 2, "batch_norm": True, "dropout": 0.5}),
    ],
)
def test_saved_model_comes_back(tmp_path, backbone, options):
    model = ks.models.UNet(backbone, 3, (60, 76), class_names=("a", "b", "c"), **options)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits(again, images(60, 76)), logits(model, images(60, 76)))
    assert again.get_config() == model.get_config()
    assert len(again.trainable_variables) == len(model.trainable_variables)


def test_dropout_acts_in_training_only():
    model = ks.models.UNet("plain", 3, 32, width=4, depth=2, dropout=0.5)
    batch = images(32, 32)
    np.testing.assert_array_equal(logits(model, batch), logits(model, batch))
    trained = ops.convert_to_numpy(model(batch, training=True)["logits"])
    assert np.abs(trained - logits(model, batch)).max() > 0
    assert [x.name for x in model.layers if "dropout" in x.name] == ["dropout_1", "dropout_2"]


@pytest.mark.parametrize(
    "backbone, options, message",
    [
        ("plane", {}, "`backbone` must be 'plain' or one of mobilenet_v1, .*'plane'"),
        ("plain", {"weights": "imagenet"}, "`weights` .* must come with a backbone.*'imagenet'"),
        ("plain", {"freeze_batch_norm": True}, "must come with a backbone.*=True"),
        ("plain", {"padding": "full"}, "`padding` must be one of .*'full'"),
        (LIGHT, {"padding": "valid"}, "must be left alone on a backbone.*'valid'"),
        (LIGHT, {"depth": 3}, "must be left alone on a backbone.*depth=3"),
        ("vgg16", {"freeze_batch_norm": True}, "`freeze_batch_norm` must be False .*vgg16"),
    ],
)
def test_arguments_that_do_not_fit(backbone, options, message):
    with pytest.raises(ValueError, match=message):
        ks.models.UNet(backbone, 3, 64, **options)


def test_by_name():
    assert {"unet", f"unet_{LIGHT}"} <= set(ks.models.names())
    model = ks.models.create("unet", num_classes=3, image_size=32, width=4)
    assert (model.backbone_name, model.padding) == ("plain", "same")
    assert ks.models.task("unet") == "segmentation"
    assert {"padding", "width", "class_weights"} <= set(ks.models.arguments("unet"))
