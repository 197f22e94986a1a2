"""Static int8 quantisation of an ONNX graph in the form TensorRT takes."""

import numpy as np

from keras_struct_export import onnx_bias
from keras_struct_export.build import Request
from keras_struct_export.errors import ExportError
from keras_struct_export.onnx_graph import decoder_nodes
from keras_struct_export.quiet import quiet

_QUANTISED = ("Conv", "ConvTranspose", "MatMul", "Gemm", "Add")


def quantize(model, request: Request):
    """Put QuantizeLinear/DequantizeLinear pairs around everything before the decoder.

    TensorRT takes symmetric int8 with float biases only, and no quantised scalar constants.

    Args:
        model: onnx.ModelProto in float32.
        request: with calibration images.

    Returns:
        A new onnx.ModelProto with float32 inputs and outputs.
    """
    import onnx

    with quiet():
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        _name_nodes(model)
        source, result = request.folder / "float.onnx", request.folder / "int8.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(model), source)
        try:
            quantize_static(
                source,
                result,
                _Reader(request),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_QUANTISED),
                nodes_to_exclude=_excluded(model.graph, request.graph.floats),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,
                    # Rounding before the activation would spend the levels on what it cuts off.
                    "OpTypesToExcludeOutputQuantization": list(_QUANTISED),
                },
            )
            quantized = onnx.load(result)
            onnx_bias.correct(model, quantized, _Reader(request).batches)
            return quantized
        except Exception as error:
            raise ExportError(f"ONNX Runtime cannot quantise this model: {error}") from error


class _Reader:
    """Calibration images one batch at a time, as ONNX Runtime asks for them."""

    def __init__(self, request: Request):
        spec, size = request.card["input"], request.card["batch_size"] or 1
        images = request.calibration
        self.batches = iter(
            {spec["name"]: images.take(range(start, start + size), axis=0, mode="wrap")}
            for start in range(0, len(images), size)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed, or None at the end."""
        return next(self.batches, None)


def _name_nodes(model) -> None:
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{index}"


def _excluded(graph, floats) -> list[str]:
    decoder = decoder_nodes(graph, floats)
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    # An Add of two activations is a residual; one with a constant is pixel scaling or a bias.
    return [
        node.name
        for index, node in enumerate(graph.node)
        if index in decoder or (node.op_type == "Add" and constants & set(node.input))
    ]
