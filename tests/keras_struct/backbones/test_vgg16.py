import keras
import numpy as np
import pytest

from keras_struct import backbones
from keras_struct.backbones.vgg16 import subsample_dense


@pytest.mark.agnostic
def test_sizes_round_up_as_in_caffe():
    levels = backbones.create("vgg16", 300).output
    assert {level: tensor.shape for level, tensor in levels.items()} == {
        "P1": (None, 150, 150, 128),
        "P2": (None, 75, 75, 256),
        "P3": (None, 38, 38, 512),
        "P4": (None, 19, 19, 1024),
    }


def test_fc6_is_dilated_and_pool5_keeps_the_stride():
    backbone = backbones.create("vgg16", 64)
    assert backbone.get_layer("fc6").dilation_rate == (6, 6)
    assert backbone.get_layer("pool5").strides == (1, 1)
    assert backbone.get_layer("pool5").pool_size == (3, 3)


def test_output_stride_8_is_large_field_of_view():
    backbone = backbones.create("vgg16", (65, 97), output_stride=8)
    assert backbone.output["P4"].shape == (None, 9, 13, 1024)
    assert backbone.get_layer("fc6").dilation_rate == (12, 12)
    for name in ("pool4", "pool5"):
        pool = backbone.get_layer(name)
        assert (pool.strides, pool.pool_size) == ((1, 1), (3, 3))
    rates = {i: backbone.get_layer(f"block{i}_conv3").dilation_rate for i in (4, 5)}
    assert rates == {4: (1, 1), 5: (2, 2)}


def test_convolutions_come_from_the_weights_file(tmp_path):
    vgg = keras.applications.VGG16(weights=None, include_top=False)
    path = tmp_path / "vgg.weights.h5"
    vgg.save_weights(path)
    backbone = backbones.create("vgg16", 64, weights=str(path))
    for name in ("block1_conv1", "block5_conv3"):
        np.testing.assert_array_equal(
            backbone.get_layer(name).get_weights()[0], vgg.get_layer(name).get_weights()[0]
        )


def test_dense_layers_are_subsampled_evenly():
    kernel = np.arange(7 * 7 * 4 * 8, dtype="float32").reshape(-1, 8)
    got_kernel, got_bias = subsample_dense(kernel, np.arange(8.0), (7, 7, 4), 3, num_outputs=4)
    assert got_kernel.shape == (3, 3, 4, 4)
    full = kernel.reshape(7, 7, 4, 8)
    np.testing.assert_array_equal(got_kernel[1, 2, 3], full[3, 6, 3, [0, 2, 4, 6]])
    np.testing.assert_array_equal(got_bias, [0, 2, 4, 6])


def test_second_dense_layer_keeps_the_inputs_that_the_first_kept():
    kernel = np.arange(8 * 8, dtype="float32").reshape(8, 8)
    got, _ = subsample_dense(kernel, np.zeros(8), (1, 1, 8), 1, num_outputs=4)
    np.testing.assert_array_equal(got[0, 0], kernel[::2, ::2])
