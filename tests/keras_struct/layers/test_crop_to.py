import keras
import numpy as np
import pytest
from keras import ops

from keras_struct.layers import CropTo

pytestmark = pytest.mark.agnostic


@pytest.mark.parametrize("sides, top, left", [((4, 4), 1, 2), ((5, 7), 1, 0), ((7, 8), 0, 0)])
def test_the_middle_stays(sides, top, left):
    values = np.arange(7 * 8, dtype="float32").reshape(1, 7, 8, 1)
    got = ops.convert_to_numpy(CropTo()(values, np.zeros((1, *sides, 3))))
    np.testing.assert_array_equal(got, values[:, top : top + sides[0], left : left + sides[1]])


def test_sides_unknown_until_it_is_called():
    inputs, like = keras.Input((None, None, 2)), keras.Input((None, None, 5))
    output = CropTo()(inputs, like)
    assert output.shape == (None, None, None, 2)
    model = keras.Model([inputs, like], output)
    assert model([np.zeros((1, 9, 9, 2)), np.zeros((1, 4, 5, 5))]).shape == (1, 4, 5, 2)


def test_nothing_to_cut_from():
    with pytest.raises(ValueError, match=r"at least as large as \(4, 9\).*\(1, 8, 8, 3\)"):
        CropTo()(np.zeros((1, 8, 8, 3)), np.zeros((1, 4, 9, 3)))
