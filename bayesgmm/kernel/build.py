"""The kernel as C functions: what numba compiles, once, into the object code that `library` loads.

Every argument is a 64-bit integer, an address or a size, so that Python (through ctypes) and compiled graphs (through
a symbol) call the same code, and nothing of numba is needed to run it.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from numba import cfunc, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from bayesgmm.kernel import plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.joints import Rows
from bayesgmm.kernel.library import ARGUMENTS, target_machine
from bayesgmm.kernel.parameters import Theta, prepare
from bayesgmm.kernel.walk import Room
from bayesgmm.kernel.walk import merge as merge_ranges
from bayesgmm.kernel.walk import walk as walk_rows


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


_d1, _d2, _d3, _d4 = (_view_of(types.float64, n) for n in (1, 2, 3, 4))
_s1, _s2, _s3 = (_view_of(types.float32, n) for n in (1, 2, 3))
_i1, _i2, _u1 = _view_of(types.int64, 1), _view_of(types.int64, 2), _view_of(types.uint64, 1)


def _walk(rows, work):
    """`walk` for rows and arithmetic of these precisions ("d" or "s")."""
    read = _d1 if rows == "d" else _s1
    w1, w2, w3, size = (_d1, _d2, _d3, 8) if work == "d" else (_s1, _s2, _s3, 4)

    def function(counter, x, row_stride, column_stride, n, n_components, n_features, n_factors, width,
                 log_weights, means, factors, weights, n_weights, assign, key, log_prob, n_log_prob, resp, n_resp,
                 ranges, sums, m0, m1, m2, memory):  # fmt: skip
        block = plan.block_rows(n_components, n_features, width)
        batch = plan.batch_rows(n_components, n_features, width)
        at = plan.memory(n_components, n_features, n_factors, width, size)
        probes, line = at.probes, batch + plan.PAD
        screened = 1 if batch > block else 0
        batches, blocks, wide = (batch,), (at.blocks,), block + plan.PAD
        room = Room(
            _d1(memory + at.log_prob, batches),
            w2(memory + at.xt, (n_features, wide)), w2(memory + at.whitened, (n_features, wide)),
            w3(memory + at.z, (at.blocks, n_features, wide)),
            w2(memory + at.joint, (n_components, line)),
            w1(memory + at.q, batches), w1(memory + at.q + line * size, batches),
            w1(memory + at.q + 2 * line * size, batches),
            _i1(memory + at.rows, batches), _i2(memory + at.members, (at.blocks * screened, block)),
            _i1(memory + at.label, (batch * screened,)),
            _i1(memory + at.owner, blocks), _i1(memory + at.lengths, blocks),
            _d2(memory + at.fine, (2, n_features)), _s2(memory + at.bounds, (n_components * screened, batch)),
        )  # fmt: skip
        theta = Theta(
            _d1(memory + at.centre, (n_features,)), w1(memory + at.log_norms, (n_components,)),
            w2(memory + at.means, (n_components, n_features)),
            w2(memory + at.scales, (n_factors, n_features)), w3(memory + at.coefs, (n_factors, n_features, width)),
            w3(memory + at.directions, (n_components, probes, n_features)),
            w2(memory + at.offsets, (n_components, probes)),
        )  # fmt: skip
        given = _d2(means, (n_components, n_features))
        given_factors = _d3(factors, (n_factors, n_features, width))
        spare = _d2(memory + at.spare, (max(width, plan.PROBES + 1), n_features))
        shared, screens, magnified = prepare(_d1(log_weights, (n_components,)), given, given_factors, spare, theta)
        walk_rows(
            _i1(counter, (1,)), Rows(x, row_stride, column_stride, n, read(x, (0,))), given, given_factors, theta,
            shared, screens, magnified, block, room, _d1(weights, (n_weights,)), assign, _u1(key, (2,)),
            _d1(log_prob, (n_log_prob,)), _d2(resp, (n_resp, n_components)),
            _d1(sums, (ranges,)), _d2(m0, (ranges, n_components)), _d3(m1, (ranges, n_components, n_features)),
            _d4(m2, (ranges, n_components, n_features, width)),
        )  # fmt: skip
        return 0

    return function


def _merge(n_components, n_features, width, ranges, sums, m0, m1, m2, log_likelihood, total0, total1, total2):
    merge_ranges(
        _d1(sums, (ranges,)),
        _d2(m0, (ranges, n_components)),
        _d3(m1, (ranges, n_components, n_features)),
        _d4(m2, (ranges, n_components, n_features, width)),
        _d1(log_likelihood, (1,)),
        _d1(total0, (n_components,)),
        _d2(total1, (n_components, n_features)),
        _d3(total2, (n_components, n_features, width)),
    )
    return 0


def function(name: str):
    """What is compiled as a C function of this name; precisions are (rows, arithmetic), double or single."""
    return _merge if name == "merge" else _walk(*name.removeprefix("walk_"))


def object_code(name: str, symbol: str) -> bytes:
    """Compile a C function, and all that it calls, under a symbol of our choice.

    numba writes the intermediate code; it is optimised here, once and as a whole, with everything but the one function
    kept inside, so that nothing of Python or numba is needed to run it.
    """
    signature = types.int64(*[types.int64] * ARGUMENTS[name.partition("_")[0]])
    made = cfunc(signature, nopython=True, _nrt=False)(function(name))
    module = llvm.parse_assembly(made.inspect_llvm())
    # Beside its C wrapper, which would report errors through Python, stands the function itself.
    (outermost,) = (f for f in module.functions if f.name == made.native_name.removeprefix("cfunc."))
    outermost.name = symbol
    for inner in (*module.functions, *module.global_variables):
        if not inner.is_declaration:
            inner.linkage = "external" if inner.name == symbol else "internal"
    machine = target_machine()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)
