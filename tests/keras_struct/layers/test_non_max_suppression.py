"""The layer: its contract with Keras, TensorFlow's own suppression, and the exported graphs."""

import keras
import numpy as np
import pytest

from keras_struct.layers.non_max_suppression import NonMaxSuppression

NUM_BOXES, NUM_CLASSES = 200, 3
NAMES = ["boxes", "labels", "num_detections", "scores"]


def detections(seed, batch=2):
    """Raw network output (B, A, 4 + C): boxes beside scores; more than one block of pairs."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(20, 300, (batch, 15, 2))[:, rng.integers(0, 15, NUM_BOXES)]
    centre, size = centre + rng.normal(0, 5, centre.shape), rng.uniform(20, 60, centre.shape)
    scores = rng.uniform(0, 1, (batch, NUM_BOXES, NUM_CLASSES))
    return np.concatenate([centre - size / 2, centre + size / 2, scores], 2).astype("float32")


def model(batch=None, **kwargs):
    raw = keras.Input((NUM_BOXES, 4 + NUM_CLASSES), batch_size=batch, name="raw")
    layer = NonMaxSuppression(max_detections=50, name="decode", **kwargs)
    return keras.Model(raw, layer(raw[:, :, :4], raw[:, :, 4:]))


def numpy(result):
    return {name: keras.ops.convert_to_numpy(value) for name, value in result.items()}


def assert_same(result, expected):
    assert sorted(result) == sorted(expected) == NAMES
    for name in NAMES:
        np.testing.assert_array_equal(result[name], expected[name], err_msg=name)


@pytest.mark.agnostic
def test_symbolic_shapes_and_dtypes_are_the_real_ones():
    net = model(iou_threshold=0.3)
    result = numpy(net(detections(0)))
    for name, symbol in net.output.items():
        assert symbol.shape[0] is None and tuple(symbol.shape[1:]) == result[name].shape[1:]
        assert symbol.dtype == result[name].dtype
    shapes = net.get_layer("decode").compute_output_shape((2, 9, 4), (2, 9, 3))
    assert shapes == {name: value.shape for name, value in result.items()}


@pytest.mark.agnostic
def test_saving_keeps_every_argument(tmp_path):
    arguments = {
        "iou_threshold": 0.3,
        "score_threshold": 0.2,
        "max_candidates": 40,
        "max_per_class": 9,
        "exhaustive": False,
    }
    net = model(**arguments)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    config = loaded.get_layer("decode").get_config()
    assert {name: config[name] for name in arguments} == arguments
    assert_same(numpy(loaded(detections(1))), numpy(net(detections(1))))


@pytest.mark.agnostic
def test_computes_in_float32_under_any_policy():
    assert NonMaxSuppression(dtype="mixed_bfloat16").compute_dtype == "float32"
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = NonMaxSuppression()
    finally:
        keras.config.set_dtype_policy("float32")
    raw = detections(2)
    assert_same(
        numpy(layer(raw[..., :4], raw[..., 4:])),
        numpy(NonMaxSuppression()(raw[..., :4], raw[..., 4:])),
    )


@pytest.mark.agnostic
def test_wrong_arguments_are_named_when_the_layer_is_made():
    with pytest.raises(ValueError, match=r"`iou_threshold` must be a number in \[0, 1\]"):
        NonMaxSuppression(iou_threshold=2)


@pytest.mark.agnostic
def test_wrong_shapes_are_named_when_the_model_is_made():
    boxes, scores = keras.Input((7, 4)), keras.Input((8, 3))
    with pytest.raises(ValueError, match=r"`scores` must have shape .*as many boxes as `boxes`"):
        NonMaxSuppression()(boxes, scores)


@pytest.mark.parametrize("limit", [None, 4])
@pytest.mark.parametrize("seed", range(2))
def test_equals_tensorflows_suppression(seed, limit):
    tf = pytest.importorskip("tensorflow")
    raw = detections(seed)
    boxes, scores = raw[..., :4], raw[..., 4:]
    layer = NonMaxSuppression(0.4, 0.3, max_detections=60, max_per_class=limit)
    result = numpy(layer(boxes, scores))
    theirs = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores, limit or 60, 60, 0.4, 0.3, clip_boxes=False
    )
    count = np.array(theirs.valid_detections)
    np.testing.assert_array_equal(result["num_detections"], count)
    np.testing.assert_array_equal(result["scores"], theirs.nmsed_scores)
    np.testing.assert_array_equal(result["boxes"], theirs.nmsed_boxes)
    for i in range(2):
        np.testing.assert_array_equal(
            result["labels"][i, : count[i]], np.array(theirs.nmsed_classes)[i, : count[i]]
        )


def signature(batch):
    shape = (batch, NUM_BOXES, 4 + NUM_CLASSES)
    return [keras.InputSpec(shape=shape, dtype="float32", name="raw")]


@pytest.mark.parametrize("batch", [1, None])
def test_litert_with_builtin_operations_gives_the_same(tmp_path, batch):
    tf = pytest.importorskip("tensorflow")
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    net, path = model(batch), str(tmp_path / "net.tflite")
    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    net.export(
        path, format="litert", input_signature=signature(batch), target_spec=builtins, verbose=False
    )
    runner = interpreter.Interpreter(path).get_signature_runner()
    raw = detections(3, batch or 2)
    assert_same(runner(raw=raw), numpy(net(raw)))


@pytest.fixture(scope="module", params=[1, None])
def exported(request, tmp_path_factory):
    """A model and its ONNX file; batch 1 or any."""
    pytest.importorskip("tf2onnx")
    net, path = model(request.param), str(tmp_path_factory.mktemp("onnx") / "net.onnx")
    net.export(path, format="onnx", input_signature=signature(request.param), verbose=False)
    return net, path


def test_onnx_gives_the_same(exported):
    runtime = pytest.importorskip("onnxruntime")
    net, path = exported
    session = runtime.InferenceSession(path)
    raw = detections(4, net.input.shape[0] or 2)
    names = [output.name for output in session.get_outputs()]
    assert_same(dict(zip(names, session.run(None, {"raw": raw}), strict=True)), numpy(net(raw)))


def test_tensorrt_builds_an_engine(exported):
    trt = pytest.importorskip("tensorrt_rtx")  # builds without a GPU
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network, config = builder.create_network(flags), builder.create_builder_config()
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
    assert parser.parse_from_file(exported[1])
    shape = tuple(network.get_input(0).shape)
    if -1 in shape:
        profile = builder.create_optimization_profile()
        profile.set_shape("raw", *[(n, *shape[1:]) for n in (1, 2, 4)])
        config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None
