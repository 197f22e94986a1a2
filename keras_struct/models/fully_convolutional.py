"""A classifier as a fully convolutional network: a map of its answers over a larger image."""

import keras
import numpy as np

_POOLINGS = {
    keras.layers.GlobalAveragePooling2D: keras.layers.AveragePooling2D,
    keras.layers.GlobalMaxPooling2D: keras.layers.MaxPooling2D,
}
_ELEMENTWISE = (
    keras.layers.Activation,
    keras.layers.ActivityRegularization,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)
_BY_CHANNEL = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)
_SIZED = (keras.layers.Reshape, keras.layers.Resizing, keras.layers.CenterCrop)


def to_fully_convolutional(model):
    """Turn the dense layers of a classifier into convolutions with the same weights.

    The result takes images of any size from the classifier's own on. At that size it gives the
    classifier's answer; over a larger image a map of answers, one for each place of the
    classifier's window, at the stride of the network:

    - Flatten and Dense become a convolution with a kernel as large as the flattened map,
    - global pooling becomes pooling over a window of that size, at every position,
    - further Dense layers become 1 x 1 convolutions.

    The map equals the classifier moved over the image where no layer pads. Padding ("same") makes a
    difference: the classifier sees zeros beyond its window where the map sees the image, so that
    they agree at the classifier's own size only (and the map's borders are as the classifier's).

    Layers that stay as they are are shared with `model`, not copied; those that change have
    weights of their own. Their names stay.

    Args:
        model: a `keras.Sequential` or functional `keras.Model` from images (B, H, W, C) to one
            vector (B, N), such as `keras.applications.VGG16(include_top=True)`.

    Returns:
        A `keras.Model`: images (B, H', W', C) to (B, h, w, N).

    Raises:
        TypeError: if `model` is neither.
        ValueError: if it has other inputs or outputs, or a layer that cannot be converted; names
            the layer.

    Example:
        classifier = keras.applications.VGG16(weights=None)
        network = keras_struct.models.to_fully_convolutional(classifier)
        network(images_of_500_x_500).shape  # (B, 9, 9, 1000)

    Source: Long et al. 2015, arXiv:1411.4038, section 3.1.
    """
    if not _is_graph(model):
        raise TypeError(
            "`model` must be a keras.Sequential or a functional keras.Model. "
            f"Received: model={type(model).__name__}."
        )
    shapes = [tensor.shape for tensor in (model.inputs or []) + (model.outputs or [])]
    if [len(shape) for shape in shapes] != [4, 2]:
        raise ValueError(
            "`model` must take one batch of images (B, H, W, C) and give one vector (B, N) for "
            f"each. Received: a model with inputs and outputs of shapes {shapes}."
        )
    converter = _Converter()
    network = converter.convert(model)
    if id(network.output) not in converter.windows:
        raise ValueError("`model` must end in Flatten or global pooling and dense layers.")
    return network


class _Converter:
    """Calls the layers of a classifier on maps instead of vectors, converted where need be.

    Attributes:
        windows: {id of a tensor: (h, w)} for the tensors that are maps of what the classifier has
            as a vector: sides of the part of the map that the vector comes from.
        tensors: those tensors, kept so that their ids stay theirs.
    """

    def __init__(self):
        self.windows, self.tensors = {}, []

    def convert(self, model):
        """A network like `model`, for images of any size."""
        given = model.inputs[0]
        images = keras.Input((None, None, given.shape[-1]), dtype=given.dtype, name=given.name)
        if isinstance(model, keras.Sequential):
            x = images
            for layer in model.layers:
                x = self.call(layer, x)
            return keras.Model(images, x, name=model.name)
        return keras.models.clone_model(
            model,
            input_tensors=_like(model.input, images),
            clone_function=lambda layer: layer,
            call_function=self.call,
        )

    def call(self, layer, *inputs, **options):
        """What `layer` gives in the converted network."""
        tensors = [x for x in keras.tree.flatten(inputs) if isinstance(x, keras.KerasTensor)]
        vectors = [x for x in tensors if id(x) in self.windows]
        if vectors and len(tensors) > 1:
            raise _cannot(layer, "joins what was pooled over the whole image with something else")
        if _flattens(layer):
            return vectors[0] if vectors else self._mark(tensors[0], _window(layer))
        if vectors:
            return self._on_vector(layer, vectors[0])
        if _is_graph(layer) and len(tensors) == 1:
            return self._nested(layer, tensors[0])
        if isinstance(layer, tuple(_POOLINGS)):
            return self._pool(layer, tensors[0])
        if isinstance(layer, _SIZED) or any(len(x.shape) != 4 for x in tensors):
            raise _cannot(layer, "does not work on maps of any size")
        if getattr(layer, "data_format", None) == "channels_first":
            raise _cannot(layer, "has its channels first")
        return layer(*inputs, **options)

    def _nested(self, model, x):
        network = self.convert(model)
        y = network(x)
        window = self.windows.get(id(network.output))
        return y if window is None else self._mark(y, window)

    def _pool(self, layer, x):
        window = _window(layer)
        pooling = _POOLINGS[type(layer)](window, strides=1, name=layer.name)
        return self._mark(pooling(x), (1, 1))

    def _on_vector(self, layer, x):
        window = self.windows[id(x)]
        if isinstance(layer, keras.layers.Dense):
            return self._mark(_convolution(layer, window, x), (1, 1))
        if isinstance(layer, keras.layers.Reshape):  # to (1, 1, C), as a vector lies here anyway
            shape = tuple(layer.output.shape[1:])
            if window == (1, 1) and shape[:-1] == (1, 1):
                return self._mark(x, window)
        if isinstance(layer, _ELEMENTWISE) and (window == (1, 1) or not _is_softmax(layer)):
            return self._mark(layer(x), window)
        if isinstance(layer, _BY_CHANNEL) and window == (1, 1):
            new = type(layer).from_config({**layer.get_config(), "axis": -1})
            y = new(x)
            new.set_weights(layer.get_weights())
            return self._mark(y, window)
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == window == (1, 1):
            return self._mark(layer(x), window)
        raise _cannot(layer, "follows the flattened map")

    def _mark(self, tensor, window):
        if id(tensor) in self.windows and self.windows[id(tensor)] != window:
            raise ValueError("`model` must flatten a map in one way only.")
        self.windows[id(tensor)] = window
        self.tensors.append(tensor)
        return tensor


def _convolution(dense, window, x):
    """Call a convolution with the weights of a dense layer on a map."""
    names = ("name", "trainable", "dtype", "activation", "use_bias", "kernel_initializer")
    names += ("bias_initializer", "kernel_regularizer", "bias_regularizer", "activity_regularizer")
    config = {name: value for name, value in dense.get_config().items() if name in names}
    convolution = keras.layers.Conv2D.from_config(
        {**config, "filters": dense.units, "kernel_size": window}
    )
    y = convolution(x)
    kernel, *bias = dense.get_weights()
    shape = (*window, len(kernel) // int(np.prod(window)), dense.units)
    convolution.set_weights([kernel.reshape(shape), *bias])
    return y


def _like(structure, tensor):
    return keras.tree.map_structure(lambda _: tensor, structure)


def _is_graph(layer):
    """Whether a layer is a model whose layers and their connections are known."""
    return isinstance(layer, keras.Sequential | keras.Model) and hasattr(layer, "inputs")


def _flattens(layer):
    if isinstance(layer, keras.layers.Flatten):
        return True
    return isinstance(layer, keras.layers.Reshape) and len(layer.output.shape) == 2


def _window(layer):
    shape = layer.input.shape
    if len(shape) != 4 or None in shape[1:3]:
        raise _cannot(layer, f"takes inputs of shape {shape}, not maps of one known size")
    return tuple(shape[1:3])


def _is_softmax(layer):
    softmax = getattr(layer, "activation", None) is keras.activations.softmax
    return softmax or isinstance(layer, keras.layers.Softmax)


def _cannot(layer, reason):
    return ValueError(
        f"`model` must be made of layers that work on maps, ended by Flatten or global pooling, "
        f"Dense and what lies between. Received: layer {layer.name!r} ({type(layer).__name__}), "
        f"which {reason}. Leave it out or replace it."
    )
