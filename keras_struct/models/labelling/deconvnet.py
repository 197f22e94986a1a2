"""DeconvNet: VGG16 and its mirror image, with unpooling by the switches of its pooling."""

import keras

from keras_struct.backbones.pixels import scale_pixels
from keras_struct.backbones.vgg16 import load_vgg
from keras_struct.layers.max_unpooling import MaxPoolingWithSwitches, MaxUnpooling
from keras_struct.models.blocks import BATCH_NORM_MOMENTUM
from keras_struct.models.fully_convolutional import to_fully_convolutional
from keras_struct.models.labelling.labelling_model import LabellingModel
from keras_struct.models.labelling.options import LabellingOptions
from keras_struct.ops.sizes import image_sides

_STRIDE = 32
_FC_UNITS = 4096
# Channels of each convolution, block by block, down and up again.
_DOWN = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
_UP = ((64, 64), (128, 64), (256, 256, 128), (512, 512, 256), (512,) * 3)


@keras.saving.register_keras_serializable(package="keras_struct")
class DeconvNet(LabellingModel):
    """A convolution network down to one cell, and a deconvolution network back to all pixels.

    The first part is VGG16: five blocks of 3 x 3 convolutions, each ended by pooling that remembers
    where its maxima were, then fc6, a convolution over the whole of the last map, and fc7. The
    second mirrors it: from fc6 backwards through unpooling to those places and 3 x 3 convolutions
    (what a transposed convolution of stride 1 is). Batch norm follows every convolution.

    `DeconvNet(21)` is the published network of 252 million parameters; `width` and `fc_units` make
    it smaller. Since fc6 covers the map of `image_size`, sides must be multiples of 32 and no
    smaller than that.

    Args:
        num_classes: int, classes of a pixel.
        image_size: int or (height, width), pixels, multiples of 32.
        weights: None, "imagenet" or the path of a `keras.applications.VGG16` weights file, for the
            first part; needs `width=1`. Its dense layers come in where they fit: for an image size
            of 224 and 4096 units.
        width: float above 0, factor of all numbers of channels.
        fc_units: int, channels of fc6 and fc7; None for 4096 * `width`.
        name: of the model.
        **labelling: further arguments of `LabellingOptions`: `class_names`, `resize`, `loss`,
            `class_weights`, `crf`.

    Call arguments:
        images: (B, H, W, 3) float32, RGB, 0..255.

    Returns:
        {"logits": (B, H, W, C) float32}.

    Raises:
        ValueError: for arguments that do not fit, and images of other sizes.

    Example:
        model = keras_struct.models.DeconvNet(11, (160, 224), width=0.25)
        model.compile("adamw")
        model.fit(dataset.batches(8, image_size=(160, 224)), epochs=60)

    Source: Noh et al. 2015, arXiv:1505.04366, section 3. Their training in two stages, on crops
    around one object and then on proposals, is a matter of data; `aggregate_proposals` joins what
    it gives for the proposals of an image.
    """

    def __init__(
        self,
        num_classes,
        image_size=224,
        *,
        weights=None,
        width=1.0,
        fc_units=None,
        name=None,
        **labelling,
    ):
        _check_sizes(image_sides(image_size), (_STRIDE, _STRIDE), "image_size")
        options = LabellingOptions(num_classes, image_size, **labelling)
        _check(weights, width, fc_units)
        fc_units = _channels(_FC_UNITS, width) if fc_units is None else fc_units

        # === Functional model ===
        images = keras.Input((None, None, 3), name="images")
        x, switches = scale_pixels(images, "caffe"), []
        for block, channels in enumerate(_DOWN, 1):
            x = _convolutions(x, channels, width, f"conv{block}")
            x, positions = MaxPoolingWithSwitches(name=f"pool{block}")(x)
            switches.append(positions)
        window = [side // _STRIDE for side in options.image_size]
        x = _block(x, keras.layers.Conv2D(fc_units, window, use_bias=False, name="fc6"))
        x = _block(x, keras.layers.Conv2D(fc_units, 1, use_bias=False, name="fc7"))
        widest = _channels(_DOWN[-1][-1], width)
        x = _block(x, keras.layers.Conv2DTranspose(widest, window, use_bias=False, name="defc6"))
        for block in range(len(_UP), 0, -1):
            x = MaxUnpooling(name=f"unpool{block}")(x, switches[block - 1])
            x = _convolutions(x, _UP[block - 1], width, f"deconv{block}")
        logits = keras.layers.Conv2D(num_classes, 1, name="score")(x)
        super().__init__(images, logits, options, stride=_STRIDE, name=name)
        if weights is not None:
            _take_weights(self, load_vgg(weights))

        # === Config ===
        self.width = float(width)
        self.fc_units = fc_units

    def _check_sides(self, sides):
        _check_sizes(sides, self.image_size, "images")

    def get_config(self):
        """Arguments without `weights`: a saved model carries its own."""
        return {**super().get_config(), "width": self.width, "fc_units": self.fc_units}


def _channels(number, width):
    return max(1, round(number * width))


def _convolutions(x, channels, width, name):
    for index, number in enumerate(channels, 1):
        layer = keras.layers.Conv2D(
            _channels(number, width),
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_{index}",
        )
        x = _block(x, layer)
    return x


def _block(x, layer):
    """A convolution, batch norm and ReLU."""
    norm = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{layer.name}_bn")
    return keras.layers.ReLU(name=f"{layer.name}_relu")(norm(layer(x)))


def _take_weights(model, vgg):
    """Kernels of VGG16; its biases become means, so that before training it gives the same."""
    if "fc1" in [layer.name for layer in vgg.layers]:
        vgg = to_fully_convolutional(vgg)
    for layer in vgg.layers:
        name = layer.name.replace("block", "conv").replace("_conv", "_")
        name = {"fc1": "fc6", "fc2": "fc7"}.get(name, name)
        if not layer.weights or name == "predictions":
            continue
        kernel, bias = layer.get_weights()
        convolution = model.get_layer(name)
        if kernel.shape == tuple(convolution.kernel.shape):
            convolution.set_weights([kernel])
            model.get_layer(f"{name}_bn").moving_mean.assign(-bias)


def _check(weights, width, fc_units):
    if not width > 0:
        raise ValueError(f"`width` must be above 0. Received: width={width!r}.")
    if weights is not None and width != 1:
        raise ValueError(
            "`weights` are those of VGG16, whose width is 1. "
            f"Received: weights={weights!r}, width={width!r}. Leave one of the two out."
        )
    if fc_units is not None and (type(fc_units) is not int or fc_units < 1):
        raise ValueError(
            f"`fc_units` must be a positive integer or None. Received: fc_units={fc_units!r}."
        )


def _check_sizes(sides, least, name):
    for side, smallest in zip(sides, least, strict=True):
        if side is not None and (side % _STRIDE or side < smallest):
            below = max(smallest, side // _STRIDE * _STRIDE)
            near = sorted({below, max(smallest, -(-side // _STRIDE) * _STRIDE)})
            raise ValueError(
                f"`{name}` must have sides that are multiples of {_STRIDE}, of at least "
                f"{least[0]} x {least[1]}. Received: height={sides[0]}, width={sides[1]}. "
                f"Nearest to {side}: {' or '.join(map(str, near))}."
            )
