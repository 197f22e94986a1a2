"""Tiles against the whole image at once, and against NumPy's average of single tiles."""

import keras
import numpy as np
import pytest
from toy_labelling import NAMES, GreyLabels, ToyLabels, grey_shapes

from keras_struct.models import UNet
from keras_struct.training import TilePredictor, evaluate, predict_tiles


def photo(height, width):
    return np.random.default_rng(0).uniform(0, 255, (height, width, 3)).astype("float32")


def softmax(logits):
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))


@pytest.fixture(scope="module")
def valid():
    return UNet("plain", 3, 60, padding="valid", depth=2, width=4)


@pytest.fixture(scope="module")
def toy():
    keras.utils.set_random_seed(0)
    return ToyLabels(3, (32, 40))


@pytest.mark.agnostic
@pytest.mark.parametrize("tile", [None, (60, 76), 64])
def test_valid_convolutions_give_the_whole_image_exactly(valid, tile):
    image = photo(75, 90)
    expected = softmax(valid.whole_logits(image[None]))[0]
    found = predict_tiles(valid, image, tile, batch_size=3)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
    np.testing.assert_array_equal(found["segmentation"], expected.argmax(-1))
    assert found["segmentation"].dtype == np.int32


@pytest.mark.agnostic
def test_whole_image_is_mirrored_by_the_margin(valid):
    assert valid.margin == 20
    image = photo(60, 76)  # with its margins, sides that halve evenly
    mirrored = np.pad(image, [(20, 20), (20, 20), (0, 0)], mode="reflect")
    expected = softmax(valid(mirrored[None])["logits"])[0]
    np.testing.assert_allclose(predict_tiles(valid, image)["probabilities"], expected, atol=1e-6)


@pytest.mark.agnostic
def test_dropped_borders_leave_the_whole_image(toy):
    image = photo(70, 90)
    whole = toy.with_decoder((70, 90), probabilities=True)(image[None])["probabilities"][0]
    found = predict_tiles(toy, image, 32, overlap=0, border=4)["probabilities"]
    inside = slice(4, -4), slice(4, -4)  # at its own borders the image is mirrored for tiles only
    np.testing.assert_allclose(found[inside], np.asarray(whole)[inside], atol=1e-5)
    seams = predict_tiles(toy, image, 32, overlap=0)["probabilities"]
    assert np.abs(seams[inside] - np.asarray(whole)[inside]).max() > 1e-3


@pytest.mark.agnostic
def test_overlaps_are_averaged(toy):
    image = photo(16, 24)
    tiles = np.stack([image[:, :16], image[:, 8:]])
    left, right = np.asarray(toy.with_decoder(16, probabilities=True)(tiles)["probabilities"])
    expected = np.concatenate([left[:, :8], (left[:, 8:] + right[:, :8]) / 2, right[:, 8:]], 1)
    found = predict_tiles(toy, image, 16)["probabilities"]  # half of a tile overlaps
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.agnostic
def test_image_smaller_than_a_tile(toy, valid):
    for model in (toy, valid):
        found = predict_tiles(model, photo(11, 7))
        assert found["probabilities"].shape == (11, 7, 3)
        np.testing.assert_allclose(found["probabilities"].sum(-1), 1, atol=1e-5)


class Invert(keras.layers.Layer):
    """In the place of a CRF: turns the order of the classes around, and notes what it is given."""

    def call(self, logits, images):
        self.given = (tuple(logits.shape), tuple(images.shape))
        return -logits


def test_a_crf_refines_the_whole_image():
    keras.utils.set_random_seed(0)
    plain = ToyLabels(3, (32, 40))
    refined = ToyLabels(3, (32, 40), crf=Invert())
    refined.set_weights(plain.get_weights())
    image = photo(50, 60)
    probabilities = predict_tiles(plain, image)["probabilities"]
    labels = predict_tiles(refined, image)["segmentation"]
    np.testing.assert_array_equal(labels, probabilities.argmin(-1))
    assert refined.crf.given == ((1, 50, 60, 3), (1, 50, 60, 3))


def test_sliding_window_evaluation():
    dataset = grey_shapes(3)
    model = GreyLabels(len(NAMES), 32, class_names=NAMES)
    annotation = dataset.annotation(0)
    size = (annotation["height"], annotation["width"])
    result = evaluate(TilePredictor(model, 32), dataset, image_size=size)
    assert result["mIoU"] == 1.0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"overlap": 31}, r"`tile` must leave at least 2 pixels.*tile=\(32, 32\), overlap=31"),
        ({"border": 16}, r"`tile` must leave at least 2 pixels.*border=16"),
        ({"overlap": -1}, "`overlap` and `border` be at least 0.*overlap=-1"),
        ({"border": -1}, "`overlap` and `border` be at least 0.*border=-1"),
    ],
)
def test_tiles_that_leave_nothing(toy, options, message):
    with pytest.raises(ValueError, match=message):
        TilePredictor(toy, 32, **options)


def test_one_image_at_a_time(toy):
    with pytest.raises(ValueError, match=r"`image` must be .*\(1, 8, 8, 3\)"):
        predict_tiles(toy, photo(8, 8)[None])
