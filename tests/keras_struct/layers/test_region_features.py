"""The layers of region features: those of the functions, in any model, saved and loaded."""

import keras
import numpy as np
import pytest
from backends import first_under_jax
from keras import ops
from region_cases import random_map, some_boxes

from keras_struct import layers
from keras_struct import ops as functions

CANONICAL = {"canonical_size": 60.0, "canonical_level": 3}
# layer, function, arguments, shape of the features of a box at 18 channels
CASES = {
    "RoIAlign": ("roi_align", {"size": 3, "sampling": 1, **CANONICAL}, (3, 3, 18)),
    "RoIPool": ("roi_pool", {"size": 2, **CANONICAL}, (2, 2, 18)),
    "SpatialPyramidPooling": (
        "spatial_pyramid_pooling",
        {"bins": (4, 2, 1), **CANONICAL},
        (21 * 18,),
    ),
    "RegionWarp": ("region_warp", {"size": 10, "context": 1, "fill": [0.5]}, (10, 10, 18)),
    "PositionSensitiveRoIPool": (
        "position_sensitive_roi_pool",
        {"size": 3, **CANONICAL},
        (3, 3, 2),
    ),
    "PositionSensitiveRoIAlign": (
        "position_sensitive_roi_align",
        {"size": 3, "sampling": 3, **CANONICAL},
        (3, 3, 2),
    ),
}
LEVELS = {"P3": random_map(0, 18, 22, 28), "P4": random_map(1, 18)}
BOXES = some_boxes(0)


@pytest.fixture(params=CASES)
def case(request):
    function, arguments, shape = CASES[request.param]
    return getattr(layers, request.param), getattr(functions, function), arguments, shape


def symbolic(layer, count=BOXES.shape[1]):
    levels = {name: keras.Input(features.shape[1:], name=name) for name, features in LEVELS.items()}
    boxes = keras.Input((count, 4), name="boxes")
    return keras.Model({**levels, "boxes": boxes}, layer(levels, boxes))


@pytest.mark.parametrize("case", first_under_jax(CASES, 2), indirect=True)
def test_gives_what_the_function_gives(case):
    layer, function, arguments, shape = case
    layer = layer(**arguments)
    values = ops.convert_to_numpy(layer(LEVELS, BOXES))
    expected = ops.convert_to_numpy(function(LEVELS, BOXES, **arguments))
    np.testing.assert_array_equal(values, expected)
    assert values.shape == (*BOXES.shape[:2], *shape)
    assert not layer.weights


def test_every_argument_counts(case):
    layer, _, arguments, _ = case
    others = {"size": 5, "sampling": 2, "bins": (3, 1), "context": 3, "fill": [2.0]}
    others |= {"canonical_size": 500.0, "canonical_level": 5}
    if "PositionSensitive" in layer.__name__:
        others["size"] = 1
    default = ops.convert_to_numpy(layer(**arguments)(LEVELS, BOXES))
    for name in arguments:
        changed = layer(**{**arguments, name: others[name]})(LEVELS, BOXES)
        assert not np.array_equal(ops.convert_to_numpy(changed), default), name


def test_shapes_are_known_before_the_batch_is(case):
    layer, _, arguments, shape = case
    model = symbolic(layer(**arguments))
    assert model.output.shape == (None, BOXES.shape[1], *shape)
    assert symbolic(layer(**arguments), None).output.shape == (None, None, *shape)
    shapes = {name: features.shape for name, features in LEVELS.items()}
    assert layer(**arguments).compute_output_shape(shapes, BOXES.shape)[2:] == shape


def test_loads_without_custom_objects(case, tmp_path):
    layer, _, arguments, _ = case
    model = symbolic(layer(**arguments))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = {**LEVELS, "boxes": BOXES}
    values, expected = again.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
    np.testing.assert_array_equal(values, expected)
    config = again.layers[-1].get_config()
    for name, value in arguments.items():
        assert np.array_equal(config[name], value), name


def test_half_precision_does_not_move_boxes(case):
    layer, _, arguments, _ = case
    values = layer(**arguments, dtype="mixed_bfloat16")(LEVELS, BOXES)
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    np.testing.assert_array_equal(
        ops.convert_to_numpy(values), ops.convert_to_numpy(layer(**arguments)(LEVELS, BOXES))
    )


def test_wrong_shapes_are_named_before_there_are_numbers(case):
    layer, _, arguments, _ = case
    features, five = keras.Input((11, 14, 18)), keras.Input((5, 4))
    for levels, boxes, message in (
        ({"four": features}, five, '`levels` must have names like "P4"'),
        ({"P4": features}, keras.Input((4,)), r"`boxes` must be \(B, R, 4\), xyxy"),
        ({"P4": keras.Input((11, 18))}, five, r"`levels` must hold \(B, h, w, C\)"),
    ):
        with pytest.raises(ValueError, match=message):
            layer(**arguments)(levels, boxes)


def test_unknown_sides_are_named(case):
    layer, _, arguments, _ = case
    if keras.backend.backend() != "tensorflow":
        pytest.skip("sides are unknown in TensorFlow's graphs only")
    tf = pytest.importorskip("tensorflow")
    spec = [tf.TensorSpec((None, None, 14, 18)), tf.TensorSpec((None, 5, 4))]
    run = tf.function(lambda x, y: layer(**arguments)({"P4": x}, y), autograph=False)
    with pytest.raises(ValueError, match="`levels` must have known heights and widths"):
        run.get_concrete_function(*spec)


@pytest.mark.parametrize("name", ["PositionSensitiveRoIPool", "PositionSensitiveRoIAlign"])
def test_channels_must_be_blocks(name):
    with pytest.raises(ValueError, match="multiple of `size` [*] `size` = 49 channels"):
        getattr(layers, name)()({"P4": keras.Input((11, 14, 18))}, keras.Input((5, 4)))


def test_fill_must_suit_the_channels():
    with pytest.raises(ValueError, match="`fill` must be a number, or one for each of 18"):
        layers.RegionWarp()({"P0": keras.Input((11, 14, 18))}, keras.Input((5, 4)))


@pytest.mark.parametrize("name", [name for name in CASES if name != "RegionWarp"])
def test_arguments_are_checked(name):
    layer = getattr(layers, name)
    counts = {"bins": (2, 0)} if name == "SpatialPyramidPooling" else {"size": 0}
    for wrong in (counts, {"canonical_size": 0}, {"canonical_level": 4.0}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be "):
            layer(**wrong)
