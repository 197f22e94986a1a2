"""Eight floats in one register, for Numba: what the inner loops of the refinement are made of.

LLVM makes vector code of a loop only after checking, at each run of the loop, that its arrays do
not overlap. Loops over the labels of one pixel are so short that the checks cost more than the
loop. Arithmetic on a type of eight lanes needs none, and runs on any processor: two registers of
four lanes on an old one, half a register on one with sixteen.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

LANES = 8
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_UNDEFINED = ir.Constant(_FLOATS, ir.Undefined)
# a product and a sum may become one operation; nothing else is reordered
_FAST = ("contract", "nnan", "ninf", "nsz")
_LOG2E = 1.4426950408889634
_SMALLEST = -80.0  # of a power of two: what is below becomes 2^-80, so that no number is denormal
# 2^x on [-1/2, 1/2], relative error 2.3e-7 in float32
_POWER = (0.0013276466849, 0.0096755412934, 0.0555071328941, 0.2402211972486, 0.693146967055)


class Float8(types.Type):
    """Numba's type of eight float32 numbers."""

    def __init__(self):
        super().__init__(name="Float8")


_float8 = Float8()


@register_model(Float8)
class _Float8Model(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _FLOATS)


def _operation(count, build, result=_float8):
    """An intrinsic of `count` Float8 numbers."""

    def generate(context, builder, signature, arguments):
        return build(builder, *arguments)

    if count == 1:
        return intrinsic(lambda typing, a: (result(a), generate))
    if count == 2:
        return intrinsic(lambda typing, a, b: (result(a, b), generate))
    return intrinsic(lambda typing, a, b, c: (result(a, b, c), generate))


def _all_lanes(builder, number):
    one = builder.insert_element(_UNDEFINED, number, ir.Constant(_INT, 0))
    return builder.shuffle_vector(one, _UNDEFINED, ir.Constant(_INTS, [0] * LANES))


def _address(context, builder, array_type, array, index, index_type):
    data = context.make_array(array_type)(context, builder, array).data
    offset = context.cast(builder, index, index_type, types.int64)
    return builder.bitcast(builder.gep(data, [offset]), _FLOATS.as_pointer())


@intrinsic
def spread(typing, number):
    """Float8 of one float32 number in all lanes."""

    def generate(context, builder, signature, arguments):
        number = context.cast(builder, arguments[0], signature.args[0], types.float32)
        return _all_lanes(builder, number)

    return _float8(number), generate


@intrinsic
def load(typing, array, index):
    """Float8 of array[index : index + 8], a flat float32 array."""

    def generate(context, builder, signature, arguments):
        place = _address(
            context, builder, signature.args[0], *arguments, index_type=signature.args[1]
        )
        value = builder.load(place)
        value.align = 4
        return value

    return _float8(array, index), generate


@intrinsic
def store(typing, array, index, value):
    """Put a Float8 into array[index : index + 8]."""

    def generate(context, builder, signature, arguments):
        place = _address(
            context, builder, signature.args[0], *arguments[:2], index_type=signature.args[1]
        )
        builder.store(arguments[2], place).align = 4
        return context.get_dummy_value()

    return types.void(array, index, value), generate


def _add(builder, a, b):
    return builder.fadd(a, b, flags=_FAST)


def _subtract(builder, a, b):
    return builder.fsub(a, b, flags=_FAST)


def _multiply(builder, a, b):
    return builder.fmul(a, b, flags=_FAST)


def _multiply_add(builder, a, b, c):
    return _add(builder, _multiply(builder, a, b), c)


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b, flags=_FAST), a, b)


def _smaller(builder, a, b):
    return builder.select(builder.fcmp_ordered("<", a, b, flags=_FAST), a, b)


def _fold(combine):
    def build(builder, value):
        for half in (4, 2, 1):
            turned = ir.Constant(_INTS, [(lane + half) % LANES for lane in range(LANES)])
            value = combine(builder, value, builder.shuffle_vector(value, _UNDEFINED, turned))
        return builder.extract_element(value, ir.Constant(_INT, 0))

    return build


def _exponential(builder, value):
    """e^x for x <= 0, as 2^whole * 2^rest."""

    def constant(number, kind=_FLOATS):
        return ir.Constant(kind, [number] * LANES)

    power = _larger(builder, _multiply(builder, value, constant(_LOG2E)), constant(_SMALLEST))
    whole = builder.fptosi(_subtract(builder, power, constant(0.5)), _INTS)
    rest = _subtract(builder, power, builder.sitofp(whole, _FLOATS))
    result = constant(_POWER[0])
    for coefficient in (*_POWER[1:], 1.0):
        result = _multiply_add(builder, result, rest, constant(coefficient))
    exponent = builder.shl(builder.add(whole, constant(127, _INTS)), constant(23, _INTS))
    return _multiply(builder, result, builder.bitcast(exponent, _FLOATS))


add = _operation(2, _add)
subtract = _operation(2, _subtract)
multiply = _operation(2, _multiply)
multiply_add = _operation(3, _multiply_add)
larger = _operation(2, _larger)
smaller = _operation(2, _smaller)
exponential = _operation(1, _exponential)
total = _operation(1, _fold(_add), types.float32)
largest = _operation(1, _fold(_larger), types.float32)
