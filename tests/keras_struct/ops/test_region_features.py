"""What all region features have in common."""

import functools

import numpy as np
import pytest
import region_loops as loops
from keras import ops
from region_cases import gradients, random_map, some_boxes

from keras_struct.ops import (
    position_sensitive_roi_align,
    position_sensitive_roi_pool,
    region_warp,
    roi_align,
    roi_pool,
    spatial_pyramid_pooling,
)

CHANNELS = 18
# function, its loop, the loop's arguments; maps of stride 16
CASES = {
    "align": (
        functools.partial(roi_align, size=3),
        lambda *region: loops.roi_align(*region, 3, 2),
    ),
    "align of one point": (
        functools.partial(roi_align, size=4, sampling=1),
        lambda *region: loops.roi_align(*region, 4, 1),
    ),
    "align of nine points": (
        functools.partial(roi_align, size=1, sampling=3),
        lambda *region: loops.roi_align(*region, 1, 3),
    ),
    **{
        f"pool of {size}": (
            functools.partial(roi_pool, size=size),
            lambda *region, size=size: loops.roi_pool(*region, size),
        )
        for size in (1, 2, 3, 7)
    },
    "pyramid": (
        spatial_pyramid_pooling,
        lambda *region: loops.spatial_pyramid_pooling(*region, (6, 3, 2, 1)),
    ),
    "pyramid of any bins": (
        functools.partial(spatial_pyramid_pooling, bins=[1, 4, 3, 4]),
        lambda *region: loops.spatial_pyramid_pooling(*region, (1, 4, 3, 4)),
    ),
    "position-sensitive align": (
        functools.partial(position_sensitive_roi_align, size=3),
        lambda *region: loops.roi_align(*region, 3, 2, True),
    ),
    "position-sensitive pool": (
        functools.partial(position_sensitive_roi_pool, size=3),
        lambda *region: loops.position_sensitive_roi_pool(*region, 3),
    ),
    "warp": (
        functools.partial(region_warp, size=9, context=2, fill=0.5),
        lambda features, box, stride: loops.region_warp(features, box / stride, 9, 2, 0.5),
    ),
}
# One of each kind, for what does not depend on sizes.
KINDS = ["align", "pool of 3", "pyramid", "position-sensitive align"]
KINDS += ["position-sensitive pool", "warp"]
# measured: 3e-6 where values are interpolated or summed; maxima are exact
TOLERANCE = 1e-5


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def compare(case, seed, *sides):
    function, loop = CASES[case]
    features, boxes, name = random_map(seed, CHANNELS, *sides), some_boxes(seed), "P4"
    expected = loops.every_region(loop, features, boxes, 16)
    if case == "warp":
        # Off the border of the image by more than rounding: on it, colours jump.
        boxes, name = boxes / 16 + np.float32(0.01), "P0"
        expected = loops.every_region(loop, features, boxes * 16, 16)
    tolerance = 0 if case.startswith(("pool", "pyramid")) else TOLERANCE
    values = numpy_of(function({name: features}, boxes))
    np.testing.assert_allclose(values, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.agnostic
@pytest.mark.parametrize("case", CASES)
def test_equals_loops_from_the_definition(case):
    compare(case, 0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("height, width", [(1, 2), (33, 4)])
def test_equals_loops_on_maps_of_any_sides(case, height, width):
    compare(case, 4, height, width)


@pytest.mark.parametrize("case", KINDS)
def test_alone_as_in_a_batch(case):
    function, _ = CASES[case]
    features, boxes = random_map(0, CHANNELS), some_boxes(0)
    together = numpy_of(function({"P4": features}, boxes))
    assert together.dtype == "float32"
    alone = numpy_of(function({"P4": features[1:]}, boxes[1:]))
    np.testing.assert_allclose(alone[0], together[1], atol=TOLERANCE)
    region = numpy_of(function({"P4": features[1:]}, boxes[1:, 10:11]))
    np.testing.assert_allclose(region[0, 0], together[1, 10], atol=TOLERANCE)


@pytest.mark.parametrize("case", KINDS[:-1])
def test_several_levels_give_what_the_level_of_the_box_gives(case):
    function, _ = CASES[case]
    sides = {"P2": (44, 56), "P3": (22, 28), "P5": (6, 7)}
    levels = {name: random_map(5, CHANNELS, *side) for name, side in sides.items()}
    # sqrt(area) and level of canonical size 64 at level 4; 3 where 4 is missing
    expected = {(4, 4): "P2", (31, 31): "P2", (32, 32): "P3", (64, 64): "P3", (127, 127): "P3"}
    expected |= {
        (128, 128): "P5",
        (60, 170): "P3",
        (120, 150): "P5",
        (0, 9): "P2",
        (900, 900): "P5",
    }
    starts = np.tile(np.float32([[[10, 5]], [[3, 20]]]), (1, len(expected), 1))
    boxes = np.concatenate([starts, starts + np.float32(list(expected))], axis=-1)
    choose = functools.partial(function, boxes=boxes, canonical_size=64, canonical_level=4)
    values = numpy_of(choose(levels))
    alone = {name: numpy_of(choose({name: features})) for name, features in levels.items()}
    for region, name in enumerate(expected.values()):
        np.testing.assert_allclose(values[:, region], alone[name][:, region], atol=1e-6)
        other = next(one for one in levels if one != name)
        assert np.abs(values[:, region] - alone[other][:, region]).max() > 0.1
    shuffled = {name: levels[name] for name in ("P5", "P2", "P3")}
    np.testing.assert_array_equal(numpy_of(choose(shuffled)), values)


@pytest.mark.parametrize("case", KINDS)
def test_boxes_get_no_gradient(case):
    function, _ = CASES[case]
    features, boxes = random_map(0, CHANNELS), some_boxes(0)

    def value(features, boxes):
        return ops.sum(function({"P4": features}, boxes) ** 2)

    to_features, to_boxes = gradients(value, features, boxes)
    assert np.abs(to_features).max() > 0.1
    assert to_boxes is None or not to_boxes.any()


@pytest.mark.parametrize("case", KINDS)
def test_numbers_of_half_precision_are_taken_as_float32(case):
    function, _ = CASES[case]
    features, boxes = np.round(random_map(0, CHANNELS) * 8) / 8, some_boxes(0)
    half = ops.cast(features, "bfloat16")
    np.testing.assert_array_equal(
        numpy_of(function({"P4": half}, boxes)), numpy_of(function({"P4": features}, boxes))
    )


FEATURES, BOXES = np.zeros((2, 4, 5, 18), "float32"), np.zeros((2, 3, 4), "float32")


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize(
    "levels, boxes, message",
    [
        ({}, BOXES, r"`levels` must be a dict of feature maps, at least one. Received: levels={}"),
        (FEATURES, BOXES, "`levels` must be a dict of feature maps"),
        ({"4": FEATURES}, BOXES, r"names like \"P4\".*Received: levels with names \['4'\]"),
        ({"P04": FEATURES}, BOXES, r"names like \"P4\""),
        ({"P4": FEATURES[0]}, BOXES, r"must hold \(B, h, w, C\).*\(4, 5, 18\)"),
        (
            {"P4": FEATURES, "P5": FEATURES[..., :9]},
            BOXES,
            r"same channels. Received: .*'P5': \(2, 4, 5, 9\)",
        ),
        ({"P4": FEATURES}, BOXES[0], r"`boxes` must be \(B, R, 4\), xyxy.*shape \(3, 4\)"),
        ({"P4": FEATURES}, BOXES[..., :3], r"`boxes` must be \(B, R, 4\).*shape \(2, 3, 3\)"),
        ({"P4": FEATURES}, BOXES[:1], r"of the same images as `levels`.*\(1, 3, 4\)"),
    ],
)
def test_bad_levels_and_boxes_are_named(case, levels, boxes, message):
    with pytest.raises(ValueError, match=message):
        CASES[case][0](levels, boxes)


FUNCTIONS = [roi_align, roi_pool, spatial_pyramid_pooling, region_warp]
FUNCTIONS += [position_sensitive_roi_align, position_sensitive_roi_pool]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("size", [0, 2.0])
def test_counts_must_be_positive(function, size):
    if function is spatial_pyramid_pooling:
        with pytest.raises(ValueError, match="`bins` must be an integer of at least 1"):
            function({"P4": FEATURES}, BOXES, bins=(3, size))
    else:
        with pytest.raises(ValueError, match=f"`size` must be an integer .* size={size}"):
            function({"P4": FEATURES}, BOXES, size=size)


@pytest.mark.parametrize("function", [roi_align, position_sensitive_roi_align])
def test_there_must_be_points(function):
    with pytest.raises(ValueError, match="`sampling` must be an integer of at least 1"):
        function({"P4": FEATURES}, BOXES, 3, sampling=0)


@pytest.mark.parametrize("bins", [(), 6, None])
def test_there_must_be_bins(bins):
    with pytest.raises(ValueError, match="`bins` must be numbers of bins along a side"):
        spatial_pyramid_pooling({"P4": FEATURES}, BOXES, bins=bins)


@pytest.mark.parametrize("function", [position_sensitive_roi_align, position_sensitive_roi_pool])
def test_channels_must_be_blocks(function):
    with pytest.raises(ValueError, match=r"multiple of .* = 16 channels.*channels=18, size=4"):
        function({"P4": FEATURES}, BOXES, size=4)


@pytest.mark.parametrize("size", [0, -1.0, None, "224"])
def test_the_canonical_size_must_be_positive(size):
    with pytest.raises(ValueError, match="`canonical_size` must be above 0"):
        roi_pool({"P4": FEATURES}, BOXES, canonical_size=size)


def test_the_canonical_level_must_be_whole():
    with pytest.raises(ValueError, match="`canonical_level` must be an integer.*=4.5"):
        roi_pool({"P4": FEATURES}, BOXES, canonical_level=4.5)
