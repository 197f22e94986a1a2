"""Bias correction: what the rounding of a kernel adds to its mean output comes off the bias.

A rounding error of a kernel meets inputs whose mean is not zero (after a ReLU never), and so moves
the mean of the output. Over a deep network these shifts add up to scores and boxes that are off on
one side. They are known before the file runs: error of the kernel times mean of the input.

Source: Nagel et al. 2019, arXiv:1906.04721, section 4.2, with means measured on images.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from keras_struct_export import litert_file
from keras_struct_export.float_layers import DECODER

# Where an operator has its input, its kernel and, if there is one, its bias.
_PLACES = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}


def has_kernel(operator: litert_file.Operator) -> bool:
    """Whether an operator multiplies its input with a kernel."""
    return operator.kind in _PLACES


def correct(
    content: bytes,
    quantized: bytes,
    batches: Iterable[np.ndarray],
    floats: re.Pattern = DECODER,
) -> bytes:
    """Correct the biases of an int8 file.

    Args:
        content: the float32 .tflite file it was made from.
        quantized: the int8 file.
        batches: calibration images as the float32 file takes them.
        floats: finds the layers that stay float32, see `float_layers`.

    Returns:
        The int8 file with other biases.
    """
    original, model = litert_file.parse(content), litert_file.parse(quantized)
    pairs = list(zip(_with_kernel(original, floats), _with_kernel(model, floats), strict=True))
    names = list(dict.fromkeys(_input(source) for source, _ in pairs))
    means = _input_means(litert_file.cut(content, names, floats), names, batches)
    shifts = defaultdict(list)
    for source, rounded in pairs:
        error = _values(model, _kernel(rounded)) - _values(original, _kernel(source))
        shift = mean_shift(rounded.kind, error, means[_input(source)]) / _spread(source)
        for bias in rounded.inputs[_PLACES[rounded.kind][2] :]:
            shifts[bias].append(shift)
    for bias, found in shifts.items():
        # a layer that serves several levels has one bias for all of them
        scale = np.asarray(litert_file.tensor(model, bias).quantization.scale, "float64")
        steps = np.round(np.mean(found, axis=0) / scale)
        litert_file.replace(model, bias, litert_file.constant(model, bias) - steps)
    return litert_file.pack(model)


def mean_shift(kind: str, error: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """How far an error of the kernel moves the mean output of each channel.

    Args:
        kind: "CONV_2D" or "TRANSPOSE_CONV" (O, h, w, I), "DEPTHWISE_CONV_2D" (1, h, w,
            I * multiplier) or "FULLY_CONNECTED" (O, I), the layouts of LiteRT.
        error: of the kernel.
        mean: (I,) mean input of each channel.

    Returns:
        (O,) float64, of a transposed convolution for stride 1: with others the kernel's weights
        are spread over that many outputs. At the border of an image padding makes the true shift a
        little smaller.
    """
    if kind == "DEPTHWISE_CONV_2D":
        return error.sum((0, 1, 2)) * np.repeat(mean, error.shape[-1] // len(mean))
    return error.reshape(len(error), -1, len(mean)).sum(1) @ mean


def _with_kernel(model, floats: re.Pattern) -> list[litert_file.Operator]:
    return [
        operator
        for operator in litert_file.network_operators(model, floats)
        if has_kernel(operator) and litert_file.is_constant(model, _kernel(operator))
    ]


def _input(operator: litert_file.Operator) -> str:
    return operator.inputs[_PLACES[operator.kind][0]]


def _kernel(operator: litert_file.Operator) -> str:
    return operator.inputs[_PLACES[operator.kind][1]]


def _spread(operator: litert_file.Operator) -> int:
    """Over how many outputs an operator spreads the weights of its kernel."""
    options = operator.options
    return options.strideH * options.strideW if operator.kind == "TRANSPOSE_CONV" else 1


def _input_means(
    content: bytes, names: list[str], batches: Iterable[np.ndarray]
) -> dict[str, np.ndarray]:
    """Mean of each channel of the results of a file over all images and positions, by `names`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    pixels = interpreter.get_input_details()[0]["index"]
    results = [detail["index"] for detail in interpreter.get_output_details()]
    found = []
    for images in batches:
        interpreter.set_tensor(pixels, images)
        interpreter.invoke()
        values = (interpreter.get_tensor(result) for result in results)
        found.append([v.mean(tuple(range(v.ndim - 1)), dtype="float64") for v in values])
    return {
        name: np.mean(rows, axis=0)
        for name, rows in zip(names, zip(*found, strict=True), strict=True)
    }


def _values(model, name: str) -> np.ndarray:
    """Real values of a constant tensor, float64."""
    values = litert_file.constant(model, name).astype("float64")
    quantization = litert_file.tensor(model, name).quantization
    if quantization is None or quantization.scale is None:
        return values
    shape = [1] * values.ndim
    shape[quantization.quantizedDimension] = -1
    return values * np.asarray(quantization.scale, "float64").reshape(shape)
