"""VGG16 with its fully connected layers turned into dilated convolutions."""

import keras
import numpy as np

from keras_struct.backbones.pixels import scale_pixels


def reduced_vgg16(images, weights=None, output_stride=16):
    """Levels of the "reduced" VGG16: P1 = conv2_2, P2 = conv3_3, P3 = conv4_3, P4 = fc7.

    pool5 is 3x3 at stride 1, fc6 is a 3x3 convolution with 1024 channels and dilation 6, fc7 is
    1x1. Pooling rounds up, as Caffe's does: 300 pixels give 38 x 38 at conv4_3. At output stride 8
    pool4 is as pool5, conv5 has dilation 2 and fc6 12: DeepLab's LargeFOV.

    Args:
        images: Keras tensor (B, H, W, 3), RGB in 0..255.
        weights: None, "imagenet", or the path of a `keras.applications.VGG16` weights file. With
            the fully connected layers in it, fc6 and fc7 are sub-sampled from them.
        output_stride: 16 or 8, of P4.

    Returns:
        {"P1": (B, H/2, W/2, 128), "P2": (B, H/4, W/4, 256), "P3": (B, H/8, W/8, 512),
        "P4": (B, H/16, W/16, 1024)} Keras tensors.

    Source: Liu et al. 2016, arXiv:1512.02325, section 3; Chen et al. 2015, arXiv:1412.7062.
    """
    vgg = load_vgg(weights)
    x = scale_pixels(images, "caffe")
    levels, stride = {}, 1
    for layer in vgg.layers:
        if isinstance(layer, keras.layers.Conv2D):
            if layer.name.startswith("block5"):
                layer.dilation_rate = (16 // output_stride,) * 2
            x = layer(x)
        elif isinstance(layer, keras.layers.MaxPooling2D):
            if stride > 1:
                levels[f"P{len(levels) + 1}"] = x
            x, stride = _pool(layer.name, stride, output_stride)(x), stride * 2
    levels.pop("P4")  # before pool5; fc7 takes its place
    apart = {"padding": "same", "dilation_rate": 96 // output_stride}
    fc6 = keras.layers.Conv2D(1024, 3, activation="relu", name="fc6", **apart)
    fc7 = keras.layers.Conv2D(1024, 1, activation="relu", name="fc7")
    levels["P4"] = fc7(fc6(x))
    names = [layer.name for layer in vgg.layers]
    if "fc1" in names:
        fc6.set_weights(subsample_dense(*vgg.get_layer("fc1").get_weights(), (7, 7, 512), 3))
        fc7.set_weights(subsample_dense(*vgg.get_layer("fc2").get_weights(), (1, 1, 4096), 1))
    return levels


def _pool(name, stride, output_stride):
    if stride < output_stride:
        return keras.layers.MaxPooling2D(2, padding="same", name=name)
    return keras.layers.MaxPooling2D(3, strides=1, padding="same", name=f"pool{name[5]}")


def subsample_dense(kernel, bias, input_shape, step, num_outputs=1024):
    """Turn a dense layer on a feature map into a sparser convolution.

    Every `step`-th position and evenly spaced channels are kept, as in the authors' "fc_reduced".

    Args:
        kernel: (h * w * c, n) array.
        bias: (n,) array.
        input_shape: (h, w, c) that the dense layer flattened.
        step: int, the stride between kept kernel positions.
        num_outputs: int, channels to keep, at the output and, of a dense input, at the input.

    Returns:
        [kernel (h/step, w/step, c', num_outputs), bias (num_outputs,)].
    """
    height, width, channels = input_shape
    kernel = np.reshape(kernel, (height, width, channels, -1))[::step, ::step]
    outputs = np.linspace(0, kernel.shape[-1], num_outputs, endpoint=False).astype(int)
    if height == width == 1:  # its inputs are the outputs that the layer before has kept
        inputs = np.linspace(0, channels, num_outputs, endpoint=False).astype(int)
        kernel = kernel[:, :, inputs]
    return [kernel[..., outputs], np.asarray(bias)[outputs]]


def load_vgg(weights):
    """Build `keras.applications.VGG16` for weights that may hold its dense layers or not.

    Args:
        weights: None, "imagenet", or the path of a weights file.

    Returns:
        The network, with its dense layers where the weights have them, without for None.
    """
    if weights in (None, "imagenet"):
        return keras.applications.VGG16(weights=weights, include_top=weights is not None)
    vgg = keras.applications.VGG16(weights=None, include_top=False)
    try:
        vgg.load_weights(weights)
    except ValueError:  # a file with the fully connected layers in it
        vgg = keras.applications.VGG16(weights=None, include_top=True)
        vgg.load_weights(weights)
    return vgg


def vgg16_trunk(images, weights=None, frozen_blocks=2):
    """VGG16 up to conv5_3, and what its dense layers start from.

    Args:
        images: Keras tensor (B, H, W, 3), RGB in 0..255.
        weights: None, "imagenet", or the path of a `keras.applications.VGG16` weights file.
        frozen_blocks: int, first blocks that are not trained if there are weights.

    Returns:
        (B, H / 16, W / 16, 512) Keras tensor; and the weights of fc6 and fc7 as two lists
        [kernel, bias], or None where there are none.

    Source: Girshick 2015, arXiv:1504.08083, section 4.5 (conv1 and conv2 stay as they are).
    """
    vgg = load_vgg(weights)
    x = scale_pixels(images, "caffe")
    for layer in vgg.layers:
        if isinstance(layer, keras.layers.Conv2D):
            block = int(layer.name[len("block")])
            layer.trainable = weights is None or block > frozen_blocks
            x = layer(x)
        elif isinstance(layer, keras.layers.MaxPooling2D) and layer.name != "block5_pool":
            x = keras.layers.MaxPooling2D(2, padding="same", name=layer.name)(x)
    names = [layer.name for layer in vgg.layers]
    dense = [vgg.get_layer(f"fc{n}").get_weights() for n in (1, 2)] if "fc1" in names else None
    return x, dense
