import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_struct as ks

CLASSES = 3


def small(image_size=(32, 64), **options):
    options = {"width": 0.125, "fc_units": 32, **options}
    return ks.models.DeconvNet(CLASSES, image_size, **options)


def logits(model, images):
    return ops.convert_to_numpy(model(images, training=False)["logits"])


def photo(height, width, count=1):
    return np.random.default_rng(0).uniform(0, 255, (count, height, width, 3)).astype("float32")


def test_published_number_of_parameters():
    """Counted by hand at a small width, and then at the published one."""

    def count(width, fc, window, classes):
        down = [3] + [round(c * width) for c in (64, 64, 128, 128, *[256] * 3, *[512] * 6)]
        up = [512] * 4 + [512, 512, 256, 256, 256, 128, 128, 64, 64, 64]
        up = [round(c * width) for c in up]
        blocks = [(9 * a, b) for path in (down, up) for a, b in zip(path, path[1:], strict=False)]
        blocks += [(window * down[-1], fc), (fc, fc), (window * fc, up[0])]
        return sum(a * b + 4 * b for a, b in blocks) + (up[-1] + 1) * classes

    assert small().count_params() == count(0.125, 32, 2, CLASSES)
    assert count(1, 4096, 49, 21) == 251_822_357


def test_logits_have_the_size_of_the_image_and_larger_ones_are_fine():
    model = small()
    for height, width in ((32, 64), (96, 64)):
        assert logits(model, photo(height, width, 2)).shape == (2, height, width, CLASSES)


def test_it_is_its_own_mirror():
    """Each unpooling takes the switches of the pooling of its size; nothing else goes across."""
    model = small()
    for block in range(1, 6):
        values, positions = model.get_layer(f"unpool{block}").input
        assert positions is model.get_layer(f"pool{block}").output[1]
        assert values.shape[-1] == positions.shape[-1]
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose) and layer.name != "score":
            assert not layer.use_bias
            assert isinstance(model.get_layer(f"{layer.name}_bn"), layers.BatchNormalization)


def test_the_first_part_is_vgg16_with_its_weights(tmp_path):
    vgg = keras.applications.VGG16(weights=None, include_top=False)
    rng = np.random.default_rng(0)
    for layer in vgg.layers[1:]:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.normal(size=bias.shape)])
    vgg.save_weights(tmp_path / "vgg.weights.h5")
    model = small(width=1.0, weights=str(tmp_path / "vgg.weights.h5"))
    images = photo(32, 64)
    ours = keras.Model(model.input, model.get_layer("pool5").output[0])(images)
    theirs = vgg(keras.applications.vgg16.preprocess_input(images.copy()))
    # Batch norm divides by sqrt(1 + 0.001), thirteen times.
    np.testing.assert_allclose(ours, theirs, rtol=0.02, atol=0.05 * np.std(theirs))


def test_dense_layers_come_in_where_they_fit(monkeypatch):
    from keras_struct.models.labelling import deconvnet

    vgg = keras.applications.VGG16(weights=None, input_shape=(32, 64, 3), classes=2)
    monkeypatch.setattr(deconvnet, "load_vgg", lambda weights: vgg)
    fits = small(width=1.0, fc_units=4096, weights="a file")
    kernel, bias = vgg.get_layer("fc1").get_weights()
    np.testing.assert_array_equal(fits.get_layer("fc6").get_weights()[0].ravel(), kernel.ravel())
    np.testing.assert_array_equal(fits.get_layer("fc6_bn").moving_mean, -bias)
    other = small(width=1.0, weights="a file")
    assert other.get_layer("fc6").kernel.shape == (1, 2, 512, 32)


def test_loss_falls_on_two_images():
    keras.utils.set_random_seed(0)
    images = photo(32, 64, 2)
    masks = (images.mean(-1, keepdims=True) > 127).astype("uint8")
    model = small()
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    y = {"segmentation_masks": masks}
    history = [model.train_on_batch(images, y, return_dict=True)["loss"] for _ in range(8)]
    assert min(history) < history[0] * 0.8


@pytest.mark.agnostic
def test_saves_and_loads_without_custom_objects(tmp_path):
    model = small(class_names="abc", loss="cross_entropy+dice")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(logits(again, photo(32, 64)), logits(model, photo(32, 64)))


def test_by_name():
    assert "deconvnet" in ks.models.names() and ks.models.task("deconvnet") == "segmentation"
    assert {"num_classes", "image_size", "width", "loss"} <= set(ks.models.arguments("deconvnet"))
    model = ks.models.create("deconvnet", num_classes=2, image_size=32, width=0.1)
    assert isinstance(model, ks.models.DeconvNet) and model.fc_units == 410


@pytest.mark.parametrize(
    "size, near",
    [
        ((100, 64), "Nearest to 100: 96 or 128"),
        ((64, 31), "Nearest to 31: 32"),
        (225, "224 or 256"),
    ],
)
def test_sizes_are_multiples_of_32(size, near):
    with pytest.raises(ValueError, match=f"`image_size` must have sides.*of 32.*{near}"):
        small(size)


def test_images_are_no_smaller_than_what_it_was_built_for():
    model = small()
    with pytest.raises(
        ValueError, match="`images` .* at least 32 x 64. Received: height=32, width"
    ):
        model(photo(32, 32))
    with pytest.raises(ValueError, match="Nearest to 70: 64 or 96"):
        model(photo(32, 70))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"width": 0}, "`width` must be above 0. Received: width=0"),
        ({"weights": "imagenet"}, "`weights` are those of VGG16.*width=0.125"),
        ({"fc_units": 0}, "`fc_units` must be a positive integer or None. Received: fc_units=0"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_proposals_are_laid_over_each_other():
    logits = np.float32([[[[1, -1]]], [[[2, -2]]]])
    boxes = [[0, 0, 3, 2], [1.9, 1.2, 9, 9]]
    got = ks.models.aggregate_proposals(logits, boxes, (3, 4))
    first = [[1, 1, 1, 0], [1, 1, 2, 2], [0, 0, 2, 2]]
    np.testing.assert_array_equal(got[..., 0], first)
    # Where one of the two does not lie, it is zero, and zero is greater.
    second = np.zeros((3, 4))
    second[1, 2] = -1
    np.testing.assert_array_equal(got[..., 1], second)
    nothing = ks.models.aggregate_proposals(logits[:0], [], (3, 4))
    np.testing.assert_array_equal(nothing, np.zeros((3, 4, 2)))


def test_a_proposal_is_stretched_to_its_box():
    logits = np.random.default_rng(0).normal(size=(1, 3, 5, 2)).astype("float32")
    got = ks.models.aggregate_proposals(logits, [[-2, -1, 8, 5]], (4, 6))
    stretched = ops.convert_to_numpy(ops.image.resize(logits, (6, 10)))[0]
    np.testing.assert_allclose(got, stretched[1:5, 2:8], rtol=1e-6)


def test_every_proposal_has_a_box():
    maps = np.zeros((2, 3, 3, 2), "float32")
    for boxes in ([[0, 0, 2, 2]], [[0, 0, 2, 2], [3, 3, 3.2, 5]]):
        with pytest.raises(ValueError, match="`boxes` must hold one box of at least a pixel"):
            ks.models.aggregate_proposals(maps, boxes, 4)
