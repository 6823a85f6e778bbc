"""exp and log in arithmetic that LLVM turns into vector instructions, where the C library's are called row by row.

Their polynomials are summed in pairs (Estrin 1960): Horner's rule makes every multiplication wait for the one before.

The functions are compiled without leave to reorder sums (only to fuse them), as the reductions below need it; the loops
that call them keep their own leave.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from bayesgmm.kernel.options import EXACT

# A responsibility below 2⁻¹⁰⁰ of the largest one of its row is counted as zero: a billion such rows would not move the
# twentieth digit of a count.
NEGLIGIBLE = -100 * math.log(2.0)

_LOG2_E = 1 / math.log(2.0)
# log 2 in two parts, the first with trailing zeros, so that n times it is exact.
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
_LN2_HIGH_32, _LN2_LOW_32 = np.float32(0.693359375), np.float32(math.log(2.0) - 0.693359375)
# Added to a small number, they leave its nearest integer in the last bits.
_ROUND, _ROUND_32 = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)
_ONE_BITS, _MANTISSA = np.uint64(0x3FF0000000000000), np.uint64(0x000FFFFFFFFFFFFF)
_ROOT_HALF_BITS = np.uint64(np.float64(math.sqrt(0.5)).view(np.uint64))
_EXP = tuple(1 / math.factorial(i) for i in range(14))
_EXP_32 = tuple(np.float32(1 / math.factorial(i)) for i in range(8))
_ATANH = tuple(2.0 / (2 * i + 1) for i in range(11))


def _reinterpret(result, argument, to):
    """An intrinsic that reads the bits of a number as those of another type."""

    @intrinsic
    def cast(typing_context, value):
        def generate(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], to)

        return result(argument), generate

    return cast


_bits = _reinterpret(types.uint64, types.float64, ir.IntType(64))
_number = _reinterpret(types.float64, types.uint64, ir.DoubleType())
_bits_32 = _reinterpret(types.uint32, types.float32, ir.IntType(32))
_number_32 = _reinterpret(types.float32, types.uint32, ir.FloatType())


def exp(v):
    """e^v to an ulp for v <= 0, in the precision of v; 0 below `NEGLIGIBLE`."""
    raise NotImplementedError("compiled code only")


@overload(exp, jit_options=EXACT)
def _exp(v):
    if v == types.float32:
        return _exp_single
    return _exp_double


def _exp_double(v):
    shifted = v * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = (v - n * _LN2_HIGH) - n * _LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = (_EXP[3] * r + _EXP[2]) + (_EXP[5] * r + _EXP[4]) * r2
    middle = (_EXP[7] * r + _EXP[6]) + (_EXP[9] * r + _EXP[8]) * r2
    high = (_EXP[11] * r + _EXP[10]) + (_EXP[13] * r + _EXP[12]) * r2
    p = 1.0 + (r + r2 * (low + r4 * (middle + r4 * high)))
    scaled = _number(_bits(p) + (_bits(shifted) << np.uint64(52)))
    return 0.0 if v < NEGLIGIBLE else scaled  # and NaN stays NaN


def _exp_single(v):
    shifted = v * np.float32(_LOG2_E) + _ROUND_32
    n = shifted - _ROUND_32
    r = (v - n * _LN2_HIGH_32) - n * _LN2_LOW_32
    r2 = r * r
    low = (_EXP_32[3] * r + _EXP_32[2]) + (_EXP_32[5] * r + _EXP_32[4]) * r2
    p = np.float32(1.0) + (r + r2 * (low + (_EXP_32[7] * r + _EXP_32[6]) * (r2 * r2)))
    scaled = _number_32(np.uint32(_bits_32(p) + np.uint32(_bits_32(shifted) << np.uint32(23))))
    return np.float32(0.0) if v < np.float32(NEGLIGIBLE) else scaled


@njit(**EXACT)
def log(v):
    """log v of a double v >= 1, to an ulp of max(1, log v)."""
    over = _bits(v) - _ROOT_HALF_BITS
    # v = 2^e m with m within a factor √½ … √2 of one; log m = 2 atanh((m − 1)/(m + 1)).
    m = _number((over & _MANTISSA) + _ROOT_HALF_BITS)
    e = _number((over >> np.uint64(52)) + _bits(_ROUND)) - _ROUND
    s = (m - 1.0) / (m + 1.0)
    w = s * s
    w2 = w * w
    w4 = w2 * w2
    low = (_ATANH[2] * w + _ATANH[1]) + (_ATANH[4] * w + _ATANH[3]) * w2
    middle = (_ATANH[6] * w + _ATANH[5]) + (_ATANH[8] * w + _ATANH[7]) * w2
    p = low + w4 * (middle + w4 * (_ATANH[10] * w + _ATANH[9]))
    # The bits of NaN would pass for a number: v − v is 0, or NaN.
    return e * _LN2_HIGH + (2.0 * s + (s * w * p + e * _LN2_LOW)) + (v - v)
