import keras
import numpy as np
import pytest
from keras import ops

import keras_struct as ks

LIGHT = "mobilenet_v2_035"


def images(height, width, count=1):
    shape = (count, height, width, 3)
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def logits(model, batch):
    return ops.convert_to_numpy(model(batch)["logits"])


@pytest.mark.parametrize("output_stride, sides", [(8, (9, 13)), (16, (5, 7)), (None, (5, 7))])
def test_logits_at_the_output_stride(output_stride, sides):
    model = ks.models.DeepLab(LIGHT, 3, (65, 97), output_stride=output_stride)
    assert logits(model, images(65, 97)).shape == (1, *sides, 3)
    assert model.with_decoder()(images(65, 97))["segmentation"].shape == (1, 65, 97)


def test_large_field_of_view_is_the_published_network():
    model = ks.models.create("deeplab_large_fov", num_classes=21, image_size=321)
    fc6 = model.get_layer("fc6_rate_12")
    assert (fc6.filters, fc6.kernel_size, fc6.dilation_rate) == (1024, (3, 3), (12, 12))
    assert model.whole_logits(keras.Input((321, 321, 3))).shape == (None, 41, 41, 21)
    convolutions = 14_714_688
    branch = (9 * 512 + 1) * 1024 + (1024 + 1) * 1024 + (1024 + 1) * 21
    assert model.count_params() == convolutions + branch == 20_505_429  # published: 20.5 M


def test_second_version_sums_four_branches():
    model = ks.models.DeepLab("vgg16", 3, 65, channels=8, dropout=0.0)
    assert model.rates == (6, 12, 18, 24)
    batch = images(65, 65)
    branches = [model.get_layer(f"classes_rate_{rate}").output for rate in model.rates]
    parts = keras.Model(model.input, branches)(batch)
    np.testing.assert_allclose(
        logits(model, batch), sum(map(ops.convert_to_numpy, parts)), rtol=1e-4, atol=1e-6
    )


def test_branches_start_from_the_dense_layers_of_vgg16():
    model = ks.models.DeepLab("vgg16", 3, 65, rates=(2, 3))
    for fc in ("fc6", "fc7"):
        one, other = (model.get_layer(f"{fc}_rate_{rate}").get_weights() for rate in (2, 3))
        np.testing.assert_array_equal(one[0], other[0])


def test_published_rates_see_as_far_at_both_strides():
    def rates(backbone, stride):
        return ks.models.DeepLab(backbone, 2, 65, output_stride=stride, channels=4).rates

    assert rates("resnet50", 16) == (6, 12, 18)
    assert rates("vgg16", 16) == (3, 6, 9, 12)
    assert rates(LIGHT, 16) == ()


def test_third_version_joins_branches_and_the_mean_of_the_image():
    model = ks.models.DeepLab(LIGHT, 3, 65, rates=(2, 4), channels=16)
    assert [tensor.shape[-1] for tensor in model.get_layer("aspp").input] == [16] * 4
    rates = [model.get_layer(f"aspp_rate_{rate}_conv").dilation_rate for rate in (2, 4)]
    assert rates == [(2, 2), (4, 4)]
    features = model.get_layer(LIGHT).get_layer("features").output["P5"]
    assert features.shape[-1] == 112  # the last block, before the 1280 channels of the classifier


@pytest.mark.agnostic
def test_coarse_loss_takes_the_label_in_the_middle_of_each_cell():
    model = ks.models.DeepLab(LIGHT, 3, 64, loss_resolution="coarse")
    raw = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 3, (1, 64, 64, 1)).astype("uint8")
    labels[:, 8, 8] = 255
    got = model.compute_loss(
        y={"segmentation_masks": labels}, y_pred={"logits": ops.convert_to_tensor(raw)}
    )
    chosen = labels[0, 8::16, 8::16, 0]
    log = raw[0] - np.log(np.exp(raw[0]).sum(-1, keepdims=True))
    losses = [-log[y, x, chosen[y, x]] for y in range(4) for x in range(4) if (y, x) != (0, 0)]
    assert float(got) == pytest.approx(np.mean(losses), rel=1e-5)


def test_learns_from_coarse_labels():
    keras.utils.set_random_seed(0)
    model = ks.models.DeepLab(
        "vgg16", 3, (33, 49), head="large_fov", rates=(2,), channels=16, dropout=0.0,
        loss_resolution="coarse",
    )  # fmt: skip
    model.get_layer("vgg16").trainable = False
    model.compile(keras.optimizers.AdamW(1e-2), jit_compile=False)
    pictures = np.zeros((4, 33, 49, 3), "float32")
    labels = np.zeros((4, 33, 49, 1), "uint8")
    pictures[:, :, :24, 0] = pictures[:, :, 24:, 1] = 255
    labels[:, :, 24:] = 2
    truth = {"segmentation_masks": labels}
    losses = model.fit(pictures, truth, batch_size=4, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize(
    "backbone, options",
    [
        (LIGHT, {"rates": (2, 3), "channels": 8, "freeze_batch_norm": True}),
        ("vgg16", {"head": "large_fov", "channels": 8, "loss_resolution": "coarse"}),
    ],
)
def test_saved_model_comes_back(tmp_path, backbone, options):
    model = ks.models.DeepLab(backbone, 3, (33, 49), class_names=("a", "b", "c"), **options)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits(again, images(33, 49)), logits(model, images(33, 49)))
    assert again.get_config() == model.get_config()
    assert len(again.trainable_variables) == len(model.trainable_variables)


@pytest.mark.parametrize(
    "backbone, options, message",
    [
        (LIGHT, {"head": "large_fov"}, "`head` must be one of .*'large_fov'.*mobilenet_v2_035"),
        ("vgg16", {"head": "fov"}, "`head` must be one of .*'fov'"),
        ("vgg16", {"rates": ()}, r"`rates` must be positive integers.*rates=\(\)"),
        ("vgg16", {"head": "large_fov", "rates": (6, 12)}, "`rates` must be .*one for 'large_fov'"),
        (LIGHT, {"rates": (0,)}, r"`rates` must be positive integers.*\(0,\)"),
        (LIGHT, {"loss_resolution": "fine"}, "`loss_resolution` must be one of .*'fine'"),
        (LIGHT, {"output_stride": 32}, "`output_stride` must be None or one of .*32"),
        ("vgg", {}, "`backbone` must be one of .*'vgg'"),
    ],
)
def test_arguments_that_do_not_fit(backbone, options, message):
    with pytest.raises(ValueError, match=message):
        ks.models.DeepLab(backbone, 3, 64, **options)
