"""In which precision TensorRT computes each type of layer, read without a GPU."""

import importlib
from collections import Counter
from pathlib import Path


def layer_precisions(onnx_file: str | Path) -> dict[str, dict[str, int]]:
    """Parse an ONNX file with TensorRT and count layers by type and by precision.

    Networks are strongly typed: the precision of a layer is that of its first output, and an
    engine keeps it. An engine itself can be opened on a machine with a GPU only.

    Args:
        onnx_file: the ONNX file the engine is built from.

    Returns:
        For example `{"CONVOLUTION": {"HALF": 53}}`, most frequent type first.

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
    counts: dict[str, Counter] = {}
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.num_outputs:
            kinds = counts.setdefault(layer.type.name, Counter())
            kinds[layer.get_output(0).dtype.name] += 1
    ordered = sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return {name: dict(kinds.most_common()) for name, kinds in ordered}
