"""A network of `keras.applications` for images of any size, and with less stride."""

import keras

OUTPUT_STRIDES = (8, 16)


def with_output_stride(application, output_stride=None):
    """Clone a network so that odd sizes round up and, beyond a stride, dilation replaces stride.

    Strided depthwise convolutions pad themselves ("same"): `keras.applications` pads them by
    layers made for the parity of one size.

    Beyond `output_stride` ("à trous"), a layer that would halve the size keeps it, and the
    convolutions after it look as far apart as they did before. At the positions that the strided
    network keeps, both give the same features.

    Args:
        application: functional `keras.Model`, images to a feature map, built.
        output_stride: int, the greatest stride; None for the network's own.

    Returns:
        `keras.Model` with the same layer names and weights.

    Source: Chen et al. 2015, arXiv:1412.7062, section 3.1; Chen et al. 2017, arXiv:1706.05587.
    """
    strides = _input_strides(application)
    makers = {id(layer.output): layer for layer in application.layers}
    padding_itself, dropped = set(), set()
    for layer in application.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D) and layer.strides != (1, 1):
            padding_itself.add(layer.name)
            if isinstance(makers[id(layer.input)], keras.layers.ZeroPadding2D):
                dropped.add(makers[id(layer.input)].name)

    def clone(layer):
        config = layer.get_config()
        if layer.name in padding_itself:
            config["padding"] = "same"
        if output_stride is not None and "strides" in config:
            config.update(_dilated(config, strides[layer.name], output_stride))
        return layer.__class__.from_config(config)

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in dropped else layer(*args, **kwargs)

    cloned = keras.models.clone_model(application, clone_function=clone, call_function=call)
    for layer in application.layers:
        if layer.weights:
            cloned.get_layer(layer.name).set_weights(layer.get_weights())
    return cloned


def _dilated(config, stride, output_stride):
    """Changes to the configuration of a layer whose input has `stride` in the plain network."""
    changes = {}
    if stride * config["strides"][0] > output_stride:
        changes["strides"] = (1, 1)
    if stride > output_stride and config.get("kernel_size", (1, 1)) != (1, 1):
        changes["dilation_rate"] = (stride // output_stride,) * 2
    return changes


def _input_strides(application):
    """{layer name: stride of its input, in pixels}; every operation is behind those it reads."""
    before, after = {}, {id(application.input): 1}
    for operation in application.operations[1:]:  # the first is the input
        inputs = operation.input if isinstance(operation.input, list) else [operation.input]
        before[operation.name] = after[id(inputs[0])]
        step = getattr(operation, "strides", (1, 1))[0]
        after[id(operation.output)] = before[operation.name] * step
    return before
