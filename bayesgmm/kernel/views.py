"""Arrays of the memory at an address, for compiled code."""

from __future__ import annotations

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


def _view_of(kind, ndim):
    """An intrinsic that makes an array of the memory at an address, without owning it."""

    @intrinsic
    def view(typing_context, address, shape):
        def generate(context, builder, signature, arguments):
            array = make_array(signature.return_type)(context, builder)
            lengths = cgutils.unpack_tuple(builder, arguments[1])
            size = context.get_constant(types.intp, kind.bitwidth // 8)
            strides, step = [], size
            for length in reversed(lengths):
                strides.insert(0, step)
                step = builder.mul(step, length)
            data = builder.inttoptr(arguments[0], context.get_data_type(kind).as_pointer())
            populate_array(array, data=data, shape=lengths, strides=strides, itemsize=size, meminfo=None)
            return array._getvalue()

        return types.Array(kind, ndim, "C")(address, shape), generate

    return view


d1, d2, d3, d4 = (_view_of(types.float64, n) for n in (1, 2, 3, 4))
s1, s2, s3 = (_view_of(types.float32, n) for n in (1, 2, 3))
i1, i2, u1 = _view_of(types.int64, 1), _view_of(types.int64, 2), _view_of(types.uint64, 1)
