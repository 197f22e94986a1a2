"""VGG16 as FCN takes it: its dense layers are convolutions, with their own weights."""

import keras

from keras_struct.backbones.pixels import scale_pixels
from keras_struct.backbones.vgg16 import load_vgg
from keras_struct.models.fully_convolutional import to_fully_convolutional

FC_UNITS = 4096


def vgg16_levels(images, weights, fc_units, dropout):
    """Levels of the fully convolutional VGG16: P3 = pool3, P4 = pool4, P5 = fc7.

    Pooling rounds up, and fc6 sees three cells beyond the border, as zeros. So cell y of a level of
    stride s covers the rows from y * s to (y + 1) * s - 1 at any size, and nothing needs a shift.
    The published network lets fc6 reach out by a padding of 100 pixels at its first layer instead,
    and cuts the scores off by 19, 27 or 31 pixels; its cells lie 3 pixels further up and left.

    Args:
        images: Keras tensor (B, H, W, 3), RGB in 0..255.
        weights: None, "imagenet" or the path of a `keras.applications.VGG16` weights file.
        fc_units: int, channels of fc6 and fc7. Other than 4096 they do not take weights.
        dropout: float in [0, 1), after fc6 and fc7.

    Returns:
        {"P3": (B, H/8, W/8, 256), "P4": (B, H/16, W/16, 512), "P5": (B, H/32, W/32, fc_units)}
        Keras tensors.
    """
    vgg = load_vgg(weights)
    names = [layer.name for layer in vgg.layers]
    if "fc1" in names and fc_units == FC_UNITS:
        vgg = to_fully_convolutional(vgg)
        fc6, fc7 = vgg.get_layer("fc1"), vgg.get_layer("fc2")
    else:
        fc6 = keras.layers.Conv2D(fc_units, 7, activation="relu", name="fc1")
        fc7 = keras.layers.Conv2D(fc_units, 1, activation="relu", name="fc2")
    levels, x = {}, scale_pixels(images, "caffe")
    for layer in vgg.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            x = keras.layers.MaxPooling2D(2, padding="same", name=layer.name)(x)
            levels[f"P{len(levels) + 1}"] = x
        elif layer.name.startswith("block"):
            x = layer(x)
    x = keras.layers.ZeroPadding2D(fc6.kernel_size[0] // 2, name="fc1_pad")(x)
    x = keras.layers.Dropout(dropout, name="fc1_dropout")(fc6(x))
    x = keras.layers.Dropout(dropout, name="fc2_dropout")(fc7(x))
    return {"P3": levels["P3"], "P4": levels["P4"], "P5": x}
