"""A labelling model and a CRF as one: what it computes, trains, saves and decodes."""

import keras
import numpy as np
import pytest
from keras import ops
from toy_labelling import GreyLabels, ToyLabels

from keras_struct.layers import DenseCRF
from keras_struct.models import CRFasRNN, UNet
from keras_struct.training import rate_factors

SIZE, CLASSES = (24, 32), 4


def toy_images(count=2):
    rng = np.random.default_rng(0)
    labels = np.zeros((count, *SIZE, 1), "uint8")
    labels[:, 6:18, 10:24], labels[:, :4] = 2, 3
    colours = rng.uniform(0, 255, (CLASSES, 3))
    noise = rng.normal(0, 12, (count, *SIZE, 3))
    return (colours[labels[..., 0]] + noise).clip(0, 255).astype("float32"), labels


def toy_crf(**options):
    small = {"bilateral_sxy": 10.0, "bilateral_srgb": 30.0, "filter": "grid", "name": "crf"}
    return DenseCRF(**{**small, **options})


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    network = ToyLabels(CLASSES, SIZE, class_names=tuple("abcd"), loss="cross_entropy+dice")
    learned = {"per_class": True, "compatibility": "full"}
    return CRFasRNN(network, toy_crf(spatial_weight=1.0, bilateral_weight=2.0, **learned))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(("training", "iterations"), [(False, 10), (True, 5)])
def test_logits_are_those_of_the_network_after_the_crf(training, iterations):
    images, _ = toy_images()
    network = GreyLabels(CLASSES, SIZE)
    model = CRFasRNN(network, toy_crf())
    logits = network(images)["logits"]
    expected = numpy(model.crf(logits, images, iterations=iterations))
    found = numpy(model(images, training=training)["logits"])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_coarse_logits_are_brought_to_the_size_of_the_image(model):
    images, _ = toy_images()
    images = images[:, :23, :29]
    coarse = model.model(images)["logits"]
    large = ops.image.resize(coarse, (23, 29), interpolation="bilinear")
    found = model(images)["logits"]
    assert tuple(found.shape) == (2, 23, 29, CLASSES)
    np.testing.assert_allclose(numpy(found), numpy(model.crf(large, images)), atol=1e-4)


@pytest.mark.agnostic
def test_fit_trains_network_and_crf(model):
    images, labels = toy_images()
    model.compile(keras.optimizers.Adam(0.03))
    before = {variable.path: numpy(variable).copy() for variable in model.trainable_variables}
    assert {path for path in before if path.startswith("crf/")} == {
        "crf/spatial_weight",
        "crf/bilateral_weight",
        "crf/compatibility",
    }
    history = model.fit(images, {"segmentation_masks": labels}, epochs=25, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    for variable in model.trainable_variables:
        assert np.abs(numpy(variable) - before[variable.path]).max() > 1e-3, variable.path


def test_the_crf_has_its_own_learning_rate(model):
    images, labels = toy_images()
    model.compile(rate_factors(keras.optimizers.Adam(1e-6), {"^crf/": 1e4}))
    before = [numpy(variable).copy() for variable in model.trainable_variables]
    model.train_on_batch(images, {"segmentation_masks": labels})
    for variable, old in zip(model.trainable_variables, before, strict=True):
        step = np.abs(numpy(variable) - old).max()
        assert (step > 1e-3) == variable.path.startswith("crf/"), variable.path


def test_the_decoder_holds_the_crf(model):
    images, _ = toy_images()
    decoded = model.with_decoder(probabilities=True)
    assert decoded.get_layer("decoder").crf is model.crf
    assert [layer.name for layer in decoded.layers[1:]] == [model.model.name, "decoder"]
    result = decoded(images)
    expected = numpy(ops.softmax(model(images)["logits"]))
    np.testing.assert_allclose(numpy(result["probabilities"]), expected, atol=1e-5)
    np.testing.assert_array_equal(numpy(result["segmentation"]), expected.argmax(-1))


@pytest.mark.agnostic
def test_saving_keeps_both_and_needs_no_custom_objects(model, tmp_path):
    images, labels = toy_images()
    model.compile("adam")
    model.train_on_batch(images, {"segmentation_masks": labels})
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.crf.get_config() == model.crf.get_config()
    assert loaded.model.get_config() == model.model.get_config()
    assert loaded.name == model.name == f"{model.model.name}_crf"
    assert (loaded.class_names, loaded.labelling.loss) == (tuple("abcd"), "cross_entropy+dice")
    assert loaded.model.num_classes == CLASSES and loaded.crf.compatibility == "full"
    np.testing.assert_allclose(
        numpy(loaded(images)["logits"]), numpy(model(images)["logits"]), atol=1e-5
    )
    paths = [variable.path for variable in model.trainable_variables]
    assert [variable.path for variable in loaded.trainable_variables] == paths


def test_published_parameters():
    crf = CRFasRNN(ToyLabels(CLASSES, SIZE)).crf
    assert (crf.bilateral_sxy, crf.bilateral_srgb, crf.spatial_sxy) == (160.0, 3.0, 3.0)
    assert (crf.iterations, crf.training_iterations) == (10, 5)
    np.testing.assert_array_equal(numpy(crf.bilateral_kernel), np.full(CLASSES, 5.0))
    np.testing.assert_array_equal(numpy(crf.energies), 1 - np.eye(CLASSES))


def test_logits_of_the_middle_alone_are_completed():
    """A U-Net of valid convolutions mirrors the image, so that the CRF sees all of it."""
    network = UNet("plain", CLASSES, 60, padding="valid", width=4, depth=2)
    model = CRFasRNN(network, toy_crf())
    images = np.random.default_rng(0).uniform(0, 255, (1, 60, 60, 3)).astype("float32")
    expected = numpy(model.crf(network.whole_logits(images), images))
    np.testing.assert_allclose(numpy(model(images)["logits"]), expected, atol=1e-4)


def test_what_is_shared_may_be_said_anew():
    model = CRFasRNN(ToyLabels(CLASSES, SIZE), toy_crf(), loss="dice", image_size=(16, 20))
    again = CRFasRNN.from_config(model.get_config())
    assert again.labelling.loss == "dice" and again.image_size == (16, 20)
    assert again.model.labelling.loss == "cross_entropy"


def test_card_names_the_class(model):
    card = model.card()
    assert (card["task"], card["model"]) == ("segmentation", "CRFasRNN")
    assert card["class_names"] == list("abcd") and card["input"]["width"] == SIZE[1]


def test_bad_arguments():
    with pytest.raises(TypeError, match="`model` must be a labelling model .*model=Sequential"):
        CRFasRNN(keras.Sequential())
    with pytest.raises(ValueError, match="must have no crf of its own. .* crf=DenseCRF"):
        CRFasRNN(ToyLabels(CLASSES, SIZE, crf=toy_crf()))
    with pytest.raises(ValueError, match=r"`labelling` must leave \['num_classes'\] to `model`"):
        CRFasRNN(ToyLabels(CLASSES, SIZE), num_classes=5)
    with pytest.raises(ValueError, match="`images` must have sides of at least 2 pixels"):
        CRFasRNN(ToyLabels(CLASSES, SIZE), toy_crf())(np.zeros((1, 1, 8, 3), "float32"))


def test_a_crf_is_put_behind_a_model_with_copies_of_all_weights():
    network = ToyLabels(CLASSES, SIZE)
    crf = toy_crf(per_class=True)
    crf.build((None, None, None, CLASSES))
    crf.bilateral_kernel.assign([1.0, 2.0, 3.0, 4.0])
    refined = network.with_crf(crf)
    images, _ = toy_images()
    np.testing.assert_array_equal(refined(images)["logits"], network(images)["logits"])
    expected = crf(ops.image.resize(network(images)["logits"], SIZE), images)
    found = refined.with_decoder(probabilities=True)(images)["probabilities"]
    np.testing.assert_allclose(found, ops.softmax(expected), atol=1e-5)
    assert network.crf is None and refined.crf is not crf and not refined.crf.trainable
    refined.get_layer("classifier").bias.assign([9.0, 0.0, 0.0, 0.0])
    assert not np.asarray(network.get_layer("classifier").bias).any()
    with pytest.raises(ValueError, match="`model` must have no CRF yet. Received: toy_labels"):
        refined.with_crf(crf)
