import keras
import numpy as np
import pytest
from keras import ops

import keras_struct as ks
from keras_struct.models.labelling import fcn_vgg16

CLASSES = 5


def light(stride=8, **options):
    return ks.models.FCN("mobilenet_v2_035", CLASSES, 96, stride=stride, **options)


def published(stride=8, **options):
    return ks.models.FCN("vgg16", CLASSES, 96, stride=stride, fc_units=16, **options)


@pytest.fixture(name="plain", scope="module")
def plain_light():
    """For tests that only look at it."""
    return light()


@pytest.fixture(name="red", scope="module")
def published_of_red():
    return published(8, skip_scale=(1, 1))


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def logits(model, images):
    return numpy_of(model(images, training=False)["logits"])


def photo(height, width, count=1):
    """Coloured blobs: neighbouring cells see different things."""
    coarse = np.random.default_rng(0).uniform(0, 255, (count, height // 20, width // 20, 3))
    return numpy_of(ops.image.resize(coarse.astype("float32"), (height, width)))


def randomize_scores(model):
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.startswith("score"):
            layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return model


def test_published_number_of_parameters():
    """Convolutions, fc6, fc7 and scores, counted with few units in fc6 and fc7."""

    def count(fc_units):
        dense = (7 * 7 * 512 + 1) * fc_units + (fc_units + 1) * fc_units
        return 14_714_688 + dense + (fc_units + 1) * 21

    model = ks.models.FCN("vgg16", 21, 500, stride=32, fc_units=16)
    assert model.count_params() == count(16)
    assert count(4096) == 134_346_581
    finest = ks.models.FCN("vgg16", 21, 500, fc_units=16)
    assert finest.count_params() == count(16) + (512 + 1) * 21 + (256 + 1) * 21


@pytest.mark.parametrize("build, stride", [(light, 8), (light, 32), (published, 8)])
def test_logits_have_the_size_of_the_image(build, stride):
    model = build(stride)
    assert model.output["logits"].shape == (None, None, None, CLASSES)
    for height, width in ((97, 131), (32, 64)):
        images = np.zeros((2, height, width, 3), "float32")
        assert model(images)["logits"].shape == (2, height, width, CLASSES)
    with pytest.raises(ValueError, match="at least 32 pixels.*height=31"):
        model(np.zeros((1, 31, 64, 3), "float32"))


def pass_red_through(model):
    """Every convolution hands one channel on, so that the network only pools and scores red."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = (np.zeros(weight.shape, "float32") for weight in layer.get_weights())
            middle = [side // 2 for side in layer.kernel_size]
            first = layer.name == "block1_conv1"
            kernel[middle[0], middle[1], 2 if first else 0, 0] = 1
            bias[0] = 123.68 if first else 0  # what scaling of the pixels takes off
            layer.set_weights([kernel, bias])


@pytest.mark.parametrize("level, stride", [("p5", 32), ("p4", 16), ("p3", 8)])
@pytest.mark.parametrize("axis", [1, 2])
def test_scores_lie_where_the_image_is_at_odd_sizes(red, level, stride, axis):
    pass_red_through(red)
    for layer in red.layers:
        if layer.name.startswith("score") and not layer.name.endswith(level):
            layer.set_weights([np.zeros(weight.shape) for weight in layer.get_weights()])
    sides = (163, 195)
    ramp = np.arange(sides[axis - 1], dtype="float32")
    images = np.zeros((1, *sides, 3), "float32")
    images[..., 0] = ramp[:, None] if axis == 1 else ramp
    got = logits(red, images)[0, ..., 0]
    # A maximum over a cell takes its last pixel, (stride - 1) / 2 beyond its middle.
    shift = got - images[0, ..., 0] - (stride - 1) / 2
    inside = slice(2 * stride, -2 * stride)
    assert np.abs(shift[inside, inside]).max() < 0.01


@pytest.mark.parametrize("build", [light, published])
def test_finer_networks_start_from_the_scores_of_the_coarser_one(build):
    coarse = randomize_scores(build(32))
    images = photo(163, 195)
    scores = scores_of(coarse, images)
    start = logits(coarse, images)
    assert scores.std() > 0.01
    for stride in (16, 8):
        coarse = ks.models.FCN.from_coarser(coarse)
        assert coarse.finest_stride == stride
        finer = scores_of(coarse, images)
        sides = [-(-side // stride) for side in (163, 195)]
        doubled = numpy_of(ops.image.resize(scores, [2 * side for side in scores.shape[1:3]]))
        np.testing.assert_array_equal(finer, doubled[:, : sides[0], : sides[1]])
        scores = finer
        # Two steps of interpolation blunt a peak that one step leaves sharp: measured 0.98.
        same = logits(coarse, images).argmax(-1) == start.argmax(-1)
        assert same.mean() > 0.95


def scores_of(model, images):
    """Class scores before they are enlarged to the image."""
    tensor = model.get_layer(f"enlarge_{model.finest_stride}").input[0]
    return numpy_of(keras.Model(model.input, tensor)(images, training=False))


def test_scores_start_at_zero(plain):
    assert not logits(plain, photo(64, 64)).any()


@pytest.mark.parametrize("learned", [True, False])
def test_a_constant_score_comes_out_constant(learned):
    model = light(learn_upsampling=learned)
    for layer in model.layers:
        if layer.name.startswith("score"):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, np.arange(CLASSES) + 1.0])
    expected = np.broadcast_to(3 * (np.arange(CLASSES) + 1.0), (1, 75, 90, CLASSES))
    np.testing.assert_allclose(logits(model, photo(75, 90)), expected, rtol=1e-5)


def test_learned_upsampling_starts_as_the_fixed_one():
    fixed, learned = light(), light(learn_upsampling=True)
    extra = 2 * (4 * 4 * CLASSES) + 16 * 16 * CLASSES
    assert learned.count_params() == fixed.count_params() + extra
    names = [weight.path for weight in learned.trainable_weights if "enlarge" in weight.path]
    assert len(names) == 3
    layers = {layer.name: layer for layer in learned.layers}
    for layer in randomize_scores(fixed).layers:
        if layer.weights:
            layers[layer.name].set_weights(layer.get_weights())
    images = photo(75, 90)
    np.testing.assert_allclose(logits(learned, images), logits(fixed, images), atol=1e-4)


def test_skips_are_scaled_and_dropout_is_set_as_published_on_vgg16_alone(plain):
    model = published()
    scales = {layer.name: layer.scale for layer in model.layers if "scale" in layer.name}
    assert scales == {"scale_p4": 0.01, "scale_p3": 0.0001}
    assert [model.get_layer(f"fc{i}_dropout").rate for i in (1, 2)] == [0.5, 0.5]
    assert not [layer for layer in plain.layers if layer.name.startswith("scale")]
    assert plain.get_layer("dropout").rate == 0
    told = light(dropout=0.2, skip_scale=(1, 0.5))
    assert told.get_layer("dropout").rate == 0.2
    assert told.get_layer("scale_p3").scale == 0.5


def test_dense_layers_of_vgg16_come_in_as_convolutions(monkeypatch):
    vgg = keras.applications.VGG16(weights=None, input_shape=(96, 96, 3), classes=2)
    monkeypatch.setattr(fcn_vgg16, "load_vgg", lambda weights: vgg)
    model = ks.models.FCN("vgg16", CLASSES, 96, weights="a file with dense layers")
    for name in ("fc1", "fc2", "block1_conv1"):
        kernel, bias = model.get_layer(name).get_weights()
        theirs, their_bias = vgg.get_layer(name).get_weights()
        np.testing.assert_array_equal(kernel.ravel(), theirs.ravel())
        np.testing.assert_array_equal(bias, their_bias)
    assert model.get_layer("fc1").kernel.shape == (3, 3, 512, 4096)


def test_convolutions_come_from_a_file_without_dense_layers(tmp_path):
    vgg = keras.applications.VGG16(weights=None, include_top=False)
    path = tmp_path / "vgg.weights.h5"
    vgg.save_weights(path)
    model = ks.models.FCN("vgg16", CLASSES, 96, weights=str(path), fc_units=16)
    kernels = [m.get_layer("block4_conv2").get_weights()[0] for m in (model, vgg)]
    np.testing.assert_array_equal(*kernels)


def batch(count=4, height=64, width=96):
    images = photo(height, width, count)
    masks = (images[..., :1] // 52).clip(0, CLASSES - 1).astype("uint8")
    return images, {"segmentation_masks": masks}


def test_loss_falls_on_two_images():
    keras.utils.set_random_seed(0)
    model = light()
    # Tracing a step takes longer than these few do.
    model.compile(keras.optimizers.Adam(3e-3), run_eagerly=True)
    history = [model.train_on_batch(*batch(2), return_dict=True)["loss"] for _ in range(9)]
    assert history[0] == pytest.approx(np.log(CLASSES), rel=1e-4)
    assert min(history) < history[0] * 0.75


def test_published_form_fits_a_step_with_learned_upsampling():
    model = published(learn_upsampling=True, loss="cross_entropy")
    model.compile("sgd", jit_compile=False)
    before = [numpy_of(weight) for weight in model.get_layer("enlarge_8").weights]
    images, masks = batch(2, 40, 33)
    model.fit(images, masks, batch_size=2, verbose=0)  # scores are zero, so only they move yet
    model.fit(images, masks, batch_size=2, verbose=0)
    assert np.abs(numpy_of(model.get_layer("enlarge_8").weights[0]) - before[0]).max() > 0


@pytest.mark.agnostic
def test_saves_and_loads_without_custom_objects(tmp_path):
    model = randomize_scores(light(16, learn_upsampling=True, dropout=0.1, class_names="abcde"))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(logits(again, photo(64, 75)), logits(model, photo(64, 75)))
    assert again.card() == model.card()


def test_by_name():
    families = [f"fcn{stride}s_" for stride in (8, 16, 32)]
    assert {f"{family}vgg16" for family in families} < set(ks.models.names())
    model = ks.models.create("fcn16s_mobilenet_v2_035", num_classes=2, image_size=(64, 96))
    assert model.finest_stride == 16 and model.image_size == (64, 96)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"stride": 4}, r"`stride` must be one of \(8, 16, 32\). Received: stride=4"),
        ({"skip_scale": (1,)}, r"`skip_scale` must hold two factors.*\(1,\)"),
        ({"fc_units": 64}, "`fc_units` must be a positive.*fc_units=64, backbone='mobilenet_v2"),
        ({"loss": "hinge"}, "`loss` must be made of"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        light(**options)


def test_batch_norm_can_be_frozen_where_there_is_some(plain):
    frozen = light(freeze_batch_norm=True)
    count = len(plain.trainable_weights) - len(frozen.trainable_weights)
    assert count == 2 * 52 and frozen.get_config()["freeze_batch_norm"] is True
    with pytest.raises(ValueError, match="`freeze_batch_norm` must be False for 'vgg16'"):
        published(freeze_batch_norm=True)


def test_backbone_must_be_known():
    with pytest.raises(ValueError, match="`backbone` must be one of .*Received: backbone='vgg'"):
        ks.models.FCN("vgg", 3, 64)


def test_from_coarser_wants_a_coarser_fcn(plain):
    with pytest.raises(ValueError, match="of stride 32 or 16. Received: one of stride 8"):
        ks.models.FCN.from_coarser(plain)
    with pytest.raises(TypeError, match="`model` must be an FCN. Received: model=Functional"):
        images = keras.Input((64, 64, 3))
        ks.models.FCN.from_coarser(keras.Model(images, images))
