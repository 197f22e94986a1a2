"""Averages over sizes and mirror images, against what NumPy makes of single predictions."""

import keras
import numpy as np
import pytest
from toy_labelling import ToyLabels

from keras_struct.models import UNet
from keras_struct.training import averaged_over_scales


def probabilities(model, images):
    return keras.ops.convert_to_numpy(
        model.with_decoder(image_size=images.shape[1:3], probabilities=True)(images)[
            "probabilities"
        ]
    )


@pytest.mark.agnostic
def test_scales_and_mirror_images_are_averaged():
    keras.utils.set_random_seed(1)
    model = ToyLabels(3, (32, 40))
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 40, 3)).astype("float32")
    resize = lambda x, size: keras.ops.convert_to_numpy(  # noqa: E731
        keras.ops.image.resize(x, size, interpolation="bilinear")
    )
    maps = []
    for size in ((16, 20), (32, 40)):
        small = resize(images, size)
        maps.append(resize(probabilities(model, small), (32, 40)))
        mirrored = probabilities(model, np.ascontiguousarray(small[:, :, ::-1]))[:, :, ::-1]
        maps.append(resize(np.ascontiguousarray(mirrored), (32, 40)))
    expected = np.mean(maps, axis=0)
    result = averaged_over_scales(model, (0.5, 1.0), flip=True)(images)
    found = keras.ops.convert_to_numpy(result["probabilities"])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    labels = keras.ops.convert_to_numpy(result["segmentation"])
    np.testing.assert_array_equal(labels, expected.argmax(-1))


class Invert(keras.layers.Layer):
    """In the place of a CRF: turns the order of the classes around, and counts its calls."""

    def call(self, logits, images):
        self.calls = getattr(self, "calls", 0) + 1
        return -logits


def test_a_crf_refines_the_average_once():
    crf = Invert()
    model = ToyLabels(3, (32, 40), crf=crf)
    plain = ToyLabels(3, (32, 40))
    plain.set_weights(model.get_weights())
    images = np.random.default_rng(0).uniform(0, 255, (1, 32, 40, 3)).astype("float32")
    averaged = averaged_over_scales(model, (0.5, 1.0))(images)
    assert crf.calls == 1
    mean = averaged_over_scales(plain, (0.5, 1.0))(images)["probabilities"]
    labels = keras.ops.convert_to_numpy(averaged["segmentation"])
    np.testing.assert_array_equal(labels, np.asarray(mean).argmin(-1))


def test_a_model_whose_logits_cover_less_than_the_image():
    """The published U-Net: valid convolutions, so that `whole_logits` pads."""
    model = UNet("plain", 3, (32, 40), padding="valid", width=4, depth=2)
    images = np.random.default_rng(0).uniform(0, 255, (1, 32, 40, 3)).astype("float32")
    found = averaged_over_scales(model, (1.0,))(images)["probabilities"]
    expected = probabilities(model, images)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, atol=1e-5)
