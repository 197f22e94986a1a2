"""Label maps in every artefact: not square, with every operator of upsampling paths."""

import importlib.util
from collections import Counter

import keras
import numpy as np
import onnx
import pytest

from keras_struct.layers import BilinearConv2DTranspose, DenseCRF, ResizeTo
from keras_struct.models.labelling import LabellingModel, LabellingOptions
from keras_struct_edge import load
from keras_struct_export import Tolerance, export, litert_file
from keras_struct_export.samples import synthetic_images
from keras_struct_export.targets import tolerance_of
from keras_struct_export.verify import run_model

SIZE = (44, 60)  # neither square nor a multiple of the stride
ANY = Tolerance(box=np.inf, score=np.inf, agreement=0.0, dense=np.inf)
needs_tensorrt = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed"
)


@keras.saving.register_keras_serializable("test")
class Labeller(LabellingModel):
    """Encoder, then transposed convolutions, resizing and concatenation; logits at stride 2."""

    def __init__(self, num_classes, image_size, name=None, **labelling):
        keras.utils.set_random_seed(2)
        images = keras.Input((None, None, 3), name="images")
        x, levels = keras.layers.Rescaling(1 / 127.5, -1)(images), []
        for filters in (8, 12, 16):
            x = keras.layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
            x = keras.layers.BatchNormalization()(x)
            x = keras.layers.ReLU(6.0)(x)
            levels.append(x)
        fine, middle, coarse = levels
        up = keras.layers.Conv2DTranspose(
            12, 3, 2, padding="same", activation="relu", bias_initializer="random_normal"
        )(coarse)
        up = keras.layers.Concatenate()([ResizeTo()(up, middle), middle])
        up = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(up)
        up = BilinearConv2DTranspose(2)(up, fine)
        up = keras.layers.Concatenate()([up, fine])
        wide = keras.initializers.RandomNormal(stddev=0.5, seed=3)
        logits = keras.layers.Conv2D(num_classes, 1, kernel_initializer=wide)(up)
        options = LabellingOptions(num_classes, image_size, **labelling)
        super().__init__(images, logits, options, stride=8, name=name)


@keras.saving.register_keras_serializable("test")
class Steps(keras.layers.Layer):
    """Adds up many small differences, as the inference of a CRF does, and says so."""

    always_float32 = True

    def call(self, logits):
        kernel = keras.ops.full((3, 3, 5, 1), 1 / 9)
        for _ in range(3):
            logits = logits + 0.01 * keras.ops.depthwise_conv(logits, kernel, 1, "same")
        return logits


class Refined(LabellingModel):
    """A labeller that goes on behind its logits, inside the network."""

    def __init__(self, labeller):
        logits = Steps(name="steps")(labeller.get_layer("logits").input)
        super().__init__(labeller.input, logits, labeller.labelling, stride=8, name="refined")


@pytest.fixture(scope="module")
def model():
    return Labeller(5, SIZE, class_names=("a", "b", "c", "d", "e"))


@pytest.fixture(scope="module")
def images(model):
    return synthetic_images(16, model.card()["input"], seed=5)


@pytest.fixture(scope="module")
def made(model, images, tmp_path_factory):
    """made(target, precision, ...) -> ExportReport, made at the first request."""
    folder, reports = tmp_path_factory.mktemp("label_maps"), {}
    suffixes = {"litert": ".tflite", "onnx": ".onnx", "tensorrt": ".engine"}

    def get(target, precision):
        if (target, precision) not in reports:
            path = folder / f"{target}_{precision}{suffixes[target]}"
            reports[target, precision] = export(
                model, path, target, precision, images if precision == "int8" else None,
                samples=images[:4], decoder_options={"probabilities": True}, progress=None,
            )  # fmt: skip
        return reports[target, precision]

    return get


@pytest.mark.parametrize("target", ["litert", "onnx"])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_labels_agree(made, images, target, precision):
    report = made(target, precision)
    assert report.comparison.compared == 4 * SIZE[0] * SIZE[1]
    # measured: all of them, 0.999 and 0.991
    least = {"float32": 1.0, "float16": 0.997, "int8": 0.97}[precision]
    assert report.comparison.agreement >= least
    results = load(report.path).run(images[:1])
    labels, probabilities = results["segmentation"], results["probabilities"]
    assert (labels.shape, labels.dtype) == ((1, *SIZE), np.int32)
    assert (probabilities.shape, probabilities.dtype) == ((1, *SIZE, 5), np.float32)
    assert len(np.unique(labels)) >= 4
    chosen = np.take_along_axis(probabilities, labels[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(chosen, probabilities.max(axis=-1), atol=1e-6)


def test_the_card_lists_what_the_decoder_gives(model, made, images, tmp_path):
    card = load(made("litert", "float32").path).card
    assert card["task"] == "segmentation"
    assert card["results"] == ["segmentation", "probabilities"]
    assert (card["input"]["height"], card["input"]["width"]) == SIZE
    export(model, tmp_path / "a.tflite", samples=images[:1], progress=None)
    predictor = load(tmp_path / "a.tflite")
    assert predictor.card["results"] == ["segmentation"]
    photo = np.asarray(keras.ops.image.resize(images[0], (88, 180)), "uint8")
    found = predictor(photo)
    assert found.labels.shape == (88, 180) and found.class_names == model.class_names
    expected = run_model(model.with_decoder(), predictor.preprocess(photo))["segmentation"][0]
    np.testing.assert_array_equal(found.labels, expected.repeat(2, 0).repeat(3, 1))


def test_litert_finds_the_best_class_by_argmax(made):
    content = made("litert", "float32").path.read_bytes()
    kinds = Counter(operator.kind for operator in litert_file.operators(litert_file.parse(content)))
    assert kinds["ARG_MAX"] == 1 and not kinds["TOPK_V2"]
    assert kinds["TRANSPOSE_CONV"] == 1 and kinds["CONCATENATION"] >= 2


def test_int8_reaches_the_logits_and_stops_there(made):
    operators = litert_file.operators(litert_file.parse(made("litert", "int8").path.read_bytes()))
    types = {(op.kind, op.dtypes[0]) for op in operators}
    for kind in ("CONV_2D", "TRANSPOSE_CONV", "CONCATENATION", "DEPTHWISE_CONV_2D"):
        assert (kind, "INT8") in types and (kind, "FLOAT32") not in types, kind
    decoder = [op for op in operators if any("decoder" in name for name in op.outputs)]
    assert {"RESIZE_BILINEAR", "ARG_MAX"} <= {op.kind for op in decoder}
    assert "INT8" not in {dtype for op in decoder for dtype in op.dtypes}
    assert ("SOFTMAX", "FLOAT32") in types and ("SOFTMAX", "INT8") not in types


def test_onnx_int8_reaches_transposed_convolutions(made):
    graph = onnx.load(made("onnx", "int8").path).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    found = Counter()
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            assert [makers[name] for name in node.input[:2]] == ["DequantizeLinear"] * 2
            found[node.op_type] += 1
    assert found["ConvTranspose"] == 1 and found["Conv"] == 6


def test_layers_that_say_so_stay_float32_inside_the_network(model, images, tmp_path):
    refined = Refined(model)
    for name, precision in (("a.tflite", "int8"), ("b.onnx", "int8"), ("c.onnx", "float16")):
        export(refined, tmp_path / name, None, precision, images, decoder=False, progress=None)
    found = litert_file.operators(litert_file.parse((tmp_path / "a.tflite").read_bytes()))
    types = Counter((op.kind, op.dtypes[0]) for op in found if "/steps" in op.outputs[0])
    assert types["DEPTHWISE_CONV_2D", "FLOAT32"] == 3 and not types["DEPTHWISE_CONV_2D", "INT8"]
    assert "INT8" in {dtype for op in found for dtype in op.dtypes}
    for name in ("b.onnx", "c.onnx"):
        nodes = onnx.load(tmp_path / name).graph.node
        makers = {output: node.op_type for node in nodes for output in node.output}
        kernels = [n.input[1] for n in nodes if n.op_type == "Conv" and "/steps" in n.name]
        # stored as they are, neither rounded nor cast
        assert len(kernels) == 3 and not makers.keys() & set(kernels)


def test_a_crf_is_small_and_float32_beside_an_int8_network(model, images, tmp_path):
    options = {"crf": DenseCRF(filter="local", iterations=2, bilateral_sxy=20)}
    path = tmp_path / "a.tflite"
    report = export(
        model, path, None, "int8", images, samples=images[:2], decoder_options=options,
        progress=None,
    )  # fmt: skip
    assert report.size < 200_000  # no constant of the image's size for every neighbour
    found = litert_file.operators(litert_file.parse(path.read_bytes()))
    types = Counter(dtype for op in found if "/decoder" in op.outputs[0] for dtype in op.dtypes)
    assert types["FLOAT32"] > 20 and not types["INT8"]


@needs_tensorrt
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_engines_build(made, precision):
    report = made("tensorrt", precision)
    assert report.size > 50_000 and report.comparison.agreement > 0.9


def test_any_batch_size_and_the_network_alone(model, images, tmp_path):
    report = export(
        model, tmp_path / "any.tflite", batch_size=None, samples=images[:2], progress=None
    )
    together = load(report.path).run(images[:3])["segmentation"]
    np.testing.assert_array_equal(
        together, run_model(model.with_decoder(), images[:3])["segmentation"]
    )
    report = export(model, tmp_path / "raw.onnx", decoder=False, samples=images[:2], progress=None)
    assert load(report.path).run(images[:1])["logits"].shape == (1, 22, 30, 5)


@pytest.mark.parametrize("side", [5, 23, 25, 41])
def test_onnx_resizes_to_the_side_that_is_asked_for(tmp_path, side):
    half = -(-side // 2)
    assert float(np.float32(side / half)) * half < side  # a scale in float32 is too small
    images = keras.Input((None, None, 3), name="images")
    logits = keras.layers.Conv2D(3, 3, 2, padding="same")(images)
    model = LabellingModel(images, logits, LabellingOptions(3, side), stride=2)
    report = export(model, tmp_path / "a.onnx", progress=None)
    assert report.comparison.agreement == 1.0


def test_options_of_a_decoder_that_is_left_out(model, tmp_path):
    with pytest.raises(ValueError, match="`decoder_options` must be None for decoder=False"):
        export(model, tmp_path / "a.onnx", decoder=False, decoder_options={"probabilities": True})


def test_label_maps_must_agree_more_than_detections():
    assert tolerance_of("float32", "segmentation").agreement == 0.999
    assert tolerance_of("float32", "detection").agreement == 0.99
    assert tolerance_of("int8", "segmentation").dense == tolerance_of("int8", "raw").dense
