"""Images come in as users have them; anything else is refused by name."""

import numpy as np
import pytest

from keras_struct_export.samples import first_images, synthetic_images

SPEC = {"height": 4, "width": 6, "channels": 3}
IMAGES = np.arange(3 * 4 * 6 * 3, dtype="float32").reshape(3, 4, 6, 3) % 256


def batches():
    while True:
        yield IMAGES[:2], {"bounding_boxes": {}}


@pytest.mark.parametrize(
    "source",
    [
        IMAGES,
        list(IMAGES),
        iter(IMAGES.astype("uint8")),
        [IMAGES],
        [{"images": IMAGES}],
        [(IMAGES[:2], {}), (IMAGES[2:], {})],
    ],
)
def test_every_form_gives_the_same_images(source):
    np.testing.assert_array_equal(first_images(source, 9, SPEC, "samples"), IMAGES)


def test_an_endless_source_is_read_as_far_as_needed():
    assert first_images(batches(), 5, SPEC, "samples").shape == (5, 4, 6, 3)


def test_tf_dataset():
    import tensorflow as tf

    source = tf.data.Dataset.from_tensor_slices(IMAGES).batch(2)
    np.testing.assert_array_equal(first_images(source, 9, SPEC, "samples"), IMAGES)


def test_not_iterable():
    with pytest.raises(TypeError, match="`calibration` must be an iterable.*calibration=int"):
        first_images(3, 5, SPEC, "calibration")


def test_empty():
    with pytest.raises(ValueError, match="`calibration` must hold at least one image"):
        first_images([], 5, SPEC, "calibration")


def test_wrong_shape():
    with pytest.raises(ValueError, match=r"shape \(4, 6, 3\).*Received: an array of shape \(6, 4"):
        first_images([np.zeros((6, 4, 3))], 5, SPEC, "samples")


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan])
def test_wrong_range(value):
    bad = IMAGES.copy()
    bad[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match=r"`samples` must hold pixels in 0\.\.255"):
        first_images(bad, 5, SPEC, "samples")


def test_synthetic_images_are_repeatable_pixels():
    first, again = synthetic_images(2, SPEC), synthetic_images(2, SPEC)
    np.testing.assert_array_equal(first, again)
    assert first.shape == (2, 4, 6, 3) and first.min() >= 0 and first.max() <= 255
    assert not np.array_equal(first[0], first[1])
