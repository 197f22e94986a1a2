"""In which precision TensorRT computes each type of layer, read without a GPU."""

import importlib
from collections import Counter
from pathlib import Path

HEAVY = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")


def layer_precisions(onnx_file: str | Path) -> dict[str, dict[str, int]]:
    """Parse an ONNX file with TensorRT and count layers by type and by precision.

    Networks are strongly typed: the precision of a layer is that of its first output, and an
    engine keeps it. Convolutions and products whose inputs are all dequantised are INT8: TensorRT
    takes the dequantisation into them. The engine itself opens on a machine with a GPU only.

    Args:
        onnx_file: the ONNX file the engine is built from.

    Returns:
        For example `{"CONVOLUTION": {"HALF": 53}}`, heavy types first, then by frequency.

    Raises:
        ValueError: if TensorRT cannot parse the file.
        ImportError: if TensorRT is missing.
    """
    from keras_struct_export.tensorrt_engine import choose_runtime

    trt = importlib.import_module(choose_runtime())
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(Path(onnx_file).read_bytes()):
        errors = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ValueError(f"TensorRT cannot parse {onnx_file}: {errors}")
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    stored = {
        layer.get_output(0).name: layer.get_input(0).dtype.name
        for layer in layers
        if layer.type.name == "DEQUANTIZE"
    }
    counts: dict[str, Counter] = {}
    for layer in layers:
        if layer.num_outputs:
            counts.setdefault(layer.type.name, Counter())[_precision(layer, stored)] += 1
    ordered = sorted(
        counts.items(), key=lambda item: (item[0] not in HEAVY, -item[1].total(), item[0])
    )
    return {name: dict(kinds.most_common()) for name, kinds in ordered}


def _precision(layer, stored: dict[str, str]) -> str:
    """Type a layer computes in; `stored` holds that of dequantised tensors by their names."""
    if layer.type.name in HEAVY:
        inputs = [layer.get_input(index) for index in range(min(2, layer.num_inputs))]
        kinds = {stored.get(tensor.name) for tensor in inputs if tensor is not None}
        if len(kinds) == 1 and None not in kinds:
            return kinds.pop()
    return layer.get_output(0).dtype.name
