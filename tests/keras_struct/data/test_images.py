"""Image files of every kind, whole and broken, in Python and inside tf.data."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_struct.data import DatasetError, voc
from keras_struct.data.images import decode

PIXELS = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (4, 6, 3), "uint8")).resize(
        (60, 40), Image.Resampling.BICUBIC
    )
)


def save(voc_folder, image, suffix, **options):
    voc_folder.add("a", voc_folder.object(), filename=f"a.{suffix}")
    image.save(voc_folder.path / "JPEGImages" / f"a.{suffix}", **options)
    return voc(voc_folder.path)


def through_batches(dataset, **options):
    return next(iter(dataset.batches(1, 40, **options)))[0][0].numpy()


def resized(pixels):
    return tf.image.resize(pixels, (40, 40)).numpy()


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_lossless_pixels_arrive_unchanged(voc_folder, suffix):
    dataset = save(voc_folder, Image.fromarray(PIXELS), suffix)
    np.testing.assert_array_equal(dataset[0]["images"], PIXELS)
    np.testing.assert_allclose(through_batches(dataset), resized(PIXELS), atol=1e-3)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("L", "jpg"), ("P", "png"), ("1", "png")]
)
def test_grey_and_palette_images_come_out_as_rgb(voc_folder, mode, suffix):
    image = Image.fromarray(PIXELS).convert(mode)
    dataset = save(voc_folder, image, suffix)
    stored = Image.open(voc_folder.path / "JPEGImages" / f"a.{suffix}").convert("RGB")
    np.testing.assert_array_equal(dataset[0]["images"], np.asarray(stored))
    np.testing.assert_allclose(through_batches(dataset), resized(np.asarray(stored)), atol=1e-3)


def test_alpha_is_dropped(voc_folder):
    alpha = np.full((40, 60, 1), 9, "uint8")
    dataset = save(voc_folder, Image.fromarray(np.concatenate([PIXELS, alpha], 2)), "png")
    np.testing.assert_array_equal(dataset[0]["images"], PIXELS)


def test_cmyk_comes_out_as_rgb(voc_folder):
    dataset = save(voc_folder, Image.fromarray(PIXELS).convert("CMYK"), "jpg", quality=98)
    difference = dataset[0]["images"].astype(int) - PIXELS
    assert np.abs(difference).mean() < 3
    np.testing.assert_allclose(through_batches(dataset), resized(dataset[0]["images"]), atol=1e-3)


def test_jpeg_pixels_are_those_of_pillow(voc_folder):
    dataset = save(voc_folder, Image.fromarray(PIXELS), "jpg", quality=80)
    pillow = np.asarray(Image.open(voc_folder.path / "JPEGImages" / "a.jpg"))
    np.testing.assert_array_equal(dataset[0]["images"], pillow)


def test_orientation_marks_are_ignored(voc_folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    dataset = save(voc_folder, Image.fromarray(PIXELS), "jpg", quality=80, exif=exif)
    assert dataset[0]["images"].shape == (40, 60, 3)
    pillow = np.asarray(Image.open(voc_folder.path / "JPEGImages" / "a.jpg"))
    np.testing.assert_array_equal(dataset[0]["images"], pillow)


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(voc_folder):
    dataset = save(voc_folder, Image.fromarray(PIXELS), "jpg")
    before = through_batches(dataset)
    with open(voc_folder.path / "JPEGImages" / "a.jpg", "ab") as stream:
        stream.write(b"camera notes")
    np.testing.assert_array_equal(through_batches(dataset), before)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("keep", [0, 1, 10, 0.5, 0.95])
def test_truncated_files_are_named_everywhere(voc_folder, suffix, keep):
    dataset = save(voc_folder, Image.fromarray(PIXELS), suffix)
    file = voc_folder.path / "JPEGImages" / f"a.{suffix}"
    contents = file.read_bytes()
    file.write_bytes(contents[: keep if isinstance(keep, int) else int(len(contents) * keep)])
    message = rf"a\.{suffix}: field `image` must be a readable JPEG, PNG, BMP or GIF"
    with pytest.raises(DatasetError, match=message):
        dataset.validate()
    with pytest.raises(DatasetError, match=message):
        dataset[0]
    for augment in (False, True):
        with pytest.raises(tf.errors.OpError, match=message):
            through_batches(dataset, augment=augment)


def test_other_files_are_refused():
    for contents in (b"", b"GIF89a", b"<svg/>", b"\xff\xd8\xff\xd9"):
        with pytest.raises(DatasetError, match="x.jpg: field `image` must be a readable"):
            decode(contents, "x.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_images_of_another_size_than_stated_are_named(voc_folder, suffix):
    voc_folder.add("a", voc_folder.object(), stated=(41, 60), filename=f"a.{suffix}")
    Image.fromarray(PIXELS).save(voc_folder.path / "JPEGImages" / f"a.{suffix}")
    dataset = voc(voc_folder.path)
    message = rf"a\.{suffix}: field `size` must be the size \(height, width\) of the image"
    with pytest.raises(DatasetError, match=message + r".*Stated: \(41, 60\), image: \(40, 60\)"):
        dataset[0]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        through_batches(dataset)


def test_images_that_vanish_are_named(voc_folder):
    dataset = save(voc_folder, Image.fromarray(PIXELS), "png")
    (voc_folder.path / "JPEGImages" / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"a\.png: field `image` cannot be read"):
        dataset[0]
    with pytest.raises(tf.errors.NotFoundError, match=r"a\.png"):
        through_batches(dataset)
