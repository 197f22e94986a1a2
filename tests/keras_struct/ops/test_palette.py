"""The palette of an image, and the Gaussian it carries, against NumPy."""

import numpy as np
import pytest
from keras import ops

from keras_struct.ops.gaussian_filters import palette

pytestmark = pytest.mark.agnostic


def naive_palette(image, count):
    """The same choice with indices; sides of the image divide into 2 x 4 parts."""
    parts = [part for rows in np.split(image, 2) for part in np.split(rows, 4, axis=1)]
    parts = [part.reshape(-1, image.shape[-1]) for part in parts]
    colours = np.concatenate(parts)
    chosen = [colours.mean(0)]
    while len(chosen) < count:
        before = np.array(chosen)
        for part in parts:
            distance = ((part[:, None] - before) ** 2).sum(-1).min(1)
            chosen.append(part[distance.argmax()])
    chosen = np.array(chosen[:count])
    owner = ((colours[:, None] - chosen) ** 2).sum(-1).argmin(1)
    return np.array(
        [colours[owner == k].mean(0) if (owner == k).any() else chosen[k] for k in range(count)]
    )


@pytest.mark.parametrize("count", [1, 5, 20])
def test_colours_are_the_farthest_then_averaged(count):
    images = np.random.default_rng(0).uniform(0, 9, (2, 6, 8, 3)).astype("float32")
    found = ops.convert_to_numpy(palette.palette(ops.convert_to_tensor(images), count))
    for image in range(2):
        np.testing.assert_allclose(found[image], naive_palette(images[image], count), atol=1e-5)


@pytest.mark.parametrize("sides", [(1, 1), (3, 2), (5, 7)])
def test_small_images_have_fewer_parts(sides):
    image = np.random.default_rng(0).uniform(0, 9, (1, *sides, 3)).astype("float32")
    found = ops.convert_to_numpy(palette.palette(ops.convert_to_tensor(image), 9))
    assert found.shape == (1, 9, 3) and found.min() >= image.min() and found.max() <= image.max()


def test_a_large_image_is_looked_at_here_and_there():
    image = np.zeros((1, 96, 128, 1), "float32")
    image[0, 1::2, 1::2] = np.random.default_rng(0).uniform(1, 9, (48, 64, 1))
    found = ops.convert_to_numpy(palette.palette(ops.convert_to_tensor(image), 4))
    assert found.min() >= 1.0


def test_an_image_of_fewer_colours_repeats_them():
    image = np.zeros((1, 4, 4, 3), "float32")
    image[0, :2] = 6.0
    chosen = palette.palette(ops.convert_to_tensor(image), 12)
    assert set(np.unique(ops.convert_to_numpy(chosen))) <= {0.0, 3.0, 6.0}
    assert np.isfinite(ops.convert_to_numpy(palette.between(chosen))).all()


@pytest.mark.parametrize("spread", [0.1, 1.0, 9.0])
def test_between_is_the_inverse(spread):
    colours = np.random.default_rng(1).uniform(0, spread, (2, 24, 3)).astype("float32")
    found = ops.convert_to_numpy(palette.between(ops.convert_to_tensor(colours)))
    for image in range(2):
        difference = colours[image][:, None] - colours[image]
        exact = np.exp(-0.5 * (difference.astype("float64") ** 2).sum(-1)) + 0.01 * np.eye(24)
        np.testing.assert_allclose(found[image] @ exact, np.eye(24), atol=5e-3)


def test_likeness_of_colours_through_the_palette():
    """Colours among those of the palette are as like as they are."""
    rng = np.random.default_rng(2)
    chosen = rng.uniform(0, 3, (1, 40, 2)).astype("float32")
    others = rng.uniform(0.5, 2.5, (1, 50, 2)).astype("float32")
    alike = ops.convert_to_numpy(palette.likeness(others, chosen))[0]
    matrix = ops.convert_to_numpy(palette.between(ops.convert_to_tensor(chosen)))[0]
    exact = np.exp(-0.5 * ((others[0, :, None] - others[0]) ** 2).sum(-1))
    assert np.abs(alike @ matrix @ alike.T - exact).max() < 0.05
