"""label_map_to_original: every pixel takes the label at its centre, filling is left out."""

import numpy as np
import pytest

from keras_struct.data import label_map_to_original


def test_pixels_take_the_label_at_their_centre():
    labels = np.array([[1, 2], [3, 4]])
    wide = label_map_to_original(labels, (2, 6), 2, "stretch")
    np.testing.assert_array_equal(wide, [[1, 1, 1, 2, 2, 2], [3, 3, 3, 4, 4, 4]])
    small = label_map_to_original(np.arange(9).reshape(3, 3), (1, 1), (3, 3), "stretch")
    np.testing.assert_array_equal(small, [[4]])


def test_letterbox_filling_is_left_out():
    labels = np.zeros((4, 4), "uint8")
    labels[:2] = [[1, 1, 2, 2], [3, 3, 4, 4]]  # a 1:2 image; the lower half is filling
    found = label_map_to_original(labels, (10, 20), 4, "letterbox")
    assert found.dtype == np.uint8 and found.shape == (10, 20)
    assert np.unique(found[:5, :10]) == 1 and np.unique(found[5:, 10:]) == 4


def test_a_label_map_of_another_size_is_an_error():
    with pytest.raises(
        ValueError, match=r"must be of image_size=\(4, 6\). Received: shape \(4, 4\)"
    ):
        label_map_to_original(np.zeros((4, 4)), (8, 8), (4, 6), "stretch")
