"""Bias correction of an int8 ONNX graph, as `litert_bias` does it for LiteRT.

What the rounding of a kernel adds to its mean output comes off the bias. Biases stay float32 in
these graphs, so that the correction is not rounded.

Source: Nagel et al. 2019, arXiv:1906.04721, section 4.2, with means measured on images.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

_KINDS = ("Conv", "ConvTranspose")


def correct(original, quantized, feeds: Iterable[dict[str, np.ndarray]]) -> None:
    """Correct the biases of a quantised graph in place.

    Args:
        original: onnx.ModelProto in float32, with named nodes.
        quantized: onnx.ModelProto made from it, its kernels behind DequantizeLinear nodes.
        feeds: calibration images as the float32 model takes them.
    """
    from onnx import numpy_helper

    sources = {node.name: node for node in original.graph.node if node.op_type in _KINDS}
    kernels = {tensor.name: numpy_helper.to_array(tensor) for tensor in original.graph.initializer}
    rounded = _dequantized(quantized.graph)
    pairs = [
        (sources[node.name], node)
        for node in quantized.graph.node
        if node.op_type in _KINDS and node.name in sources and node.input[1] in rounded
    ]
    means = _input_means(original, sorted({source.input[0] for source, _ in pairs}), feeds)
    shifts = defaultdict(list)
    for source, node in pairs:
        error = rounded[node.input[1]] - kernels[source.input[1]].astype("float64")
        shifts[_bias_of(node, quantized.graph, source)].append(
            mean_shift(error, means[source.input[0]], source)
        )
    # a layer that serves several levels has one bias for all of them
    _take_off(quantized.graph, {name: np.mean(found, axis=0) for name, found in shifts.items()})


def mean_shift(error: np.ndarray, mean: np.ndarray, node) -> np.ndarray:
    """How far an error of the kernel moves the mean output of each channel.

    Args:
        error: of the kernel, in ONNX's layout: (O, I / groups, h, w) of a Conv, (I, O / groups, h,
            w) of a ConvTranspose.
        mean: (I,) mean input of each channel.
        node: onnx.NodeProto, with its groups and strides.

    Returns:
        (O,) float64. At the border of an image padding makes the true shift a little smaller.
    """
    settings = {attribute.name: attribute for attribute in node.attribute}
    groups = settings["group"].i if "group" in settings else 1
    error = error.reshape(*error.shape[:2], -1).sum(-1)
    means = mean.reshape(groups, -1)
    if node.op_type == "Conv":
        return np.einsum("goi,gi->go", error.reshape(groups, -1, error.shape[1]), means).ravel()
    strides = settings["strides"].ints if "strides" in settings else (1,)
    shift = np.einsum("gio,gi->go", error.reshape(groups, -1, error.shape[1]), means)
    return shift.ravel() / np.prod(strides)


def _dequantized(graph) -> dict[str, np.ndarray]:
    """Real values, float64, of the constants behind DequantizeLinear nodes."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        values, scale = (
            numpy_helper.to_array(constants[name]).astype("float64") for name in node.input[:2]
        )
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        if scale.ndim:
            scale = scale.reshape([-1 if place == axis else 1 for place in range(values.ndim)])
        found[node.output[0]] = values * scale
    return found


def _input_means(model, names, feeds):
    """{name: (C,) mean of each channel} of tensors (B, C, ...) over all images and positions."""
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rows = [
        [x.mean((0, *range(2, x.ndim)), dtype="float64") for x in session.run(names, feed)]
        for feed in feeds
    ]
    return {
        name: np.mean(found, axis=0)
        for name, found in zip(names, zip(*rows, strict=True), strict=True)
    }


def _bias_of(node, graph, source) -> str:
    """Name of a node's bias, which is made where it has none."""
    from onnx import numpy_helper

    if len(node.input) < 3:
        kernel = next(t for t in graph.initializer if t.name in _origin(graph, node.input[1]))
        outputs = kernel.dims[0 if source.op_type == "Conv" else 1]
        name = f"{node.name}_bias"
        graph.initializer.append(numpy_helper.from_array(np.zeros(outputs, "float32"), name))
        node.input.append(name)
    return node.input[2]


def _origin(graph, name) -> list[str]:
    return [node.input[0] for node in graph.node if name in node.output]


def _take_off(graph, shifts) -> None:
    from onnx import numpy_helper

    for tensor in graph.initializer:
        if tensor.name in shifts:
            values = numpy_helper.to_array(tensor).astype("float64") - shifts[tensor.name]
            tensor.CopyFrom(numpy_helper.from_array(values.astype("float32"), tensor.name))
