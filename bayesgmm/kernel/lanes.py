"""Vectors of neighbouring rows, held in registers: what the inner loops of `tiles` are written in.

A compiler that looks for vectors finds them in a loop over rows, but keeps no tile of several features by several rows
in registers, where every number that is read serves several products: that is what keeps the arithmetic units fed.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

# Bytes of a vector, two registers of most processors, and of one where a tile holds many of them.
WIDE, NARROW = 64, 32


class Lanes(types.Type):
    """Numbers of neighbouring rows."""

    def __init__(self, dtype, count):
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.VectorType(manager[lanes.dtype].get_value_type(), lanes.count))


def _place(context, builder, signature, arguments, lanes):
    """Where lanes stand that begin at row[first]."""
    kind, (row, first) = signature.args[0], arguments[:2]
    array = context.make_array(kind)(context, builder, row)
    number = cgutils.get_item_pointer(context, builder, kind, array, [first], wraparound=False)
    return builder.bitcast(number, context.get_value_type(lanes).as_pointer())


def _reader(size):
    """An intrinsic that reads lanes of so many bytes."""

    @intrinsic
    def read(typing_context, row, first):
        lanes = Lanes(row.dtype, 8 * size // row.dtype.bitwidth)

        def generate(context, builder, signature, arguments):
            place = _place(context, builder, signature, arguments, lanes)
            return builder.load(place, align=row.dtype.bitwidth // 8)

        return lanes(row, types.intp), generate

    return read


#: row[first : first + lanes]
read, read_narrow = _reader(WIDE), _reader(NARROW)


def _zeros(size):
    """An intrinsic that makes zeros of a row's precision, as many as fill so many bytes."""

    @intrinsic
    def zeros(typing_context, row):
        lanes = Lanes(row.dtype, 8 * size // row.dtype.bitwidth)

        def generate(context, builder, signature, arguments):
            return ir.Constant(context.get_value_type(lanes), [0.0] * lanes.count)

        return lanes(row), generate

    return zeros


zeros, zeros_narrow = _zeros(WIDE), _zeros(NARROW)


@intrinsic
def write(typing_context, row, first, lanes):
    """row[first : first + lanes] = lanes, rounded to the precision of the row."""

    def generate(context, builder, signature, arguments):
        kept = Lanes(row.dtype, lanes.count)
        place, value = _place(context, builder, signature, arguments, kept), arguments[2]
        if kept != lanes:
            value = builder.fptrunc(value, context.get_value_type(kept))
        builder.store(value, place, align=row.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(row, types.intp, lanes), generate


@intrinsic
def add(typing_context, row, first, lanes):
    """row[first : first + lanes] += lanes, in the precision of the row."""

    def generate(context, builder, signature, arguments):
        kept, size = Lanes(row.dtype, lanes.count), row.dtype.bitwidth // 8
        place, value = _place(context, builder, signature, arguments, kept), arguments[2]
        if kept != lanes:
            value = builder.fpext(value, context.get_value_type(kept))
        builder.store(builder.fadd(builder.load(place, align=size), value), place, align=size)
        return context.get_dummy_value()

    return types.void(row, types.intp, lanes), generate


@intrinsic
def read_columns(typing_context, address, like):
    """Four numbers that follow each other in memory, as doubles."""

    def generate(context, builder, signature, arguments):
        kind = ir.VectorType(context.get_value_type(like.dtype), 4)
        place = builder.inttoptr(arguments[0], kind.as_pointer())
        value, wanted = builder.load(place, align=like.dtype.bitwidth // 8), context.get_value_type(_FOUR)
        return value if kind == wanted else builder.fpext(value, wanted)

    return _FOUR(address, like), generate


_FOUR = Lanes(types.float64, 4)


def _operation(name):
    """An intrinsic for two operands, one of which may be a number for all lanes; LLVM may fuse it with others."""

    @intrinsic
    def operation(typing_context, a, b):
        lanes = a if isinstance(a, Lanes) else b

        def generate(context, builder, signature, arguments):
            both = [v if kind == lanes else _spread(builder, v, lanes.count)
                    for kind, v in zip(signature.args, arguments, strict=True)]  # fmt: skip
            return getattr(builder, name)(*both, flags=("contract", "nsz"))

        return lanes(a, b), generate

    return operation


times, plus, minus = _operation("fmul"), _operation("fadd"), _operation("fsub")


@intrinsic
def sum_of(typing_context, lanes):
    """The sum over the lanes."""

    def generate(context, builder, signature, arguments):
        number, vector = context.get_value_type(lanes.dtype), context.get_value_type(lanes)
        name = f"llvm.vector.reduce.fadd.v{lanes.count}f{lanes.dtype.bitwidth}"
        add_up = cgutils.get_or_insert_function(builder.module, ir.FunctionType(number, [number, vector]), name)
        return builder.call(add_up, [ir.Constant(number, -0.0), arguments[0]], fastmath=("reassoc",))

    return lanes.dtype(lanes), generate


@intrinsic
def sums(typing_context, a, b, c, d):
    """The sum over the lanes of each of four, as four lanes."""
    four = Lanes(a.dtype, 4)

    def generate(context, builder, signature, arguments):
        values = list(arguments)
        for half in _halves(a.count):
            values = [builder.fadd(_pick(builder, v, v, range(half)), _pick(builder, v, v, range(half, 2 * half)))
                      for v in values]  # fmt: skip
        rows = _turned(builder, values)
        return builder.fadd(builder.fadd(rows[0], rows[1]), builder.fadd(rows[2], rows[3]))

    return four(a, b, c, d), generate


@intrinsic
def turn(typing_context, a, b, c, d):
    """Four by four lanes, transposed."""

    def generate(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, _turned(builder, arguments))

    return types.UniTuple(a, 4)(a, b, c, d), generate


def _halves(count):
    while count > 4:
        count //= 2
        yield count


def _turned(builder, rows):
    a, b, c, d = rows
    low = [_pick(builder, one, other, (0, 4, 2, 6)) for one, other in ((a, b), (c, d))]
    high = [_pick(builder, one, other, (1, 5, 3, 7)) for one, other in ((a, b), (c, d))]
    return [_pick(builder, *pair, places) for places in ((0, 1, 4, 5), (2, 3, 6, 7)) for pair in (low, high)]


def _pick(builder, one, other, places):
    kind = ir.VectorType(ir.IntType(32), len(places))
    return builder.shuffle_vector(one, other, ir.Constant(kind, list(places)))


def _spread(builder, number, count):
    undefined = ir.Constant(ir.VectorType(number.type, count), ir.Undefined)
    return _pick(builder, builder.insert_element(undefined, number, ir.IntType(32)(0)), undefined, [0] * count)
