"""What native log densities are made of, whatever the prior: compiled code on the unconstrained vector u.

A prior's file gives two functions. ``enter(u, constants, t)`` fills in the mixture that u stands for and returns the
log prior density of u, Jacobian included. ``leave(u, constants, t, gradient)`` turns the moments of the rows into the
gradient, by Fisher's identity: that of Q(θ; S) at fixed statistics, plus the prior's. `density` puts the pass over the
rows between them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, types

from bayesgmm.kernel import plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import PATTERNS, Routine
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, d3, i1

_pass = external(PATTERNS)
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
# What nutpie takes for a divergence.
OUTSIDE = 4

_HERE = "engines/density/blocks.py"
#: Nothing is computed for a draw while sampling: its u is kept.
KEEP = Routine("keep", 5, __name__, (_HERE,), ())


def routine(name: str, home: str, *files: str) -> Routine:
    """A prior's native density, written in files of this folder, the weights' being always among them."""
    own = tuple(f"engines/density/{file}.py" for file in ("weights", *files))
    return Routine(name, 5, home, (_HERE, "tape/scalars.py", *own), (PATTERNS,))


def function(name):
    """The C function (p, size, u, out, –) that copies u."""

    def keep(n, size, u, out, nothing):
        _copy(d1(u, (n,)), d1(out, (size,)))
        return 0

    return keep


@njit(**EXACT)
def _copy(u, out):
    for i in range(out.shape[0]):
        out[i] = u[i]


class Turn(NamedTuple):
    """One evaluation: the mixture at u, and the moments of the rows about its means."""

    log_weights: np.ndarray  # (K,)
    means: np.ndarray  # (K, D)
    factors: np.ndarray  # (F, D, D), or (F, D, 1) for diagonal ones
    m0: np.ndarray  # (K,)
    m1: np.ndarray  # (K, D)
    m2: np.ndarray  # like the factors, but K of them; below the diagonal and on it
    gap: np.ndarray  # (K, D): for a prior's use
    a: np.ndarray  # (F, D, D): likewise
    inverse: np.ndarray  # (F, D, D): likewise
    work: np.ndarray  # (2, D, D): likewise


def density(enter, leave):
    """The C function (p, u, gradient, value, problem) of a prior; other than 0 where u has no density.

    ``problem`` is what `native.Density` lays out: sizes, and addresses of the rows and of the prior's constants.
    """

    def evaluate(length, u, gradient, value, problem):
        p = i1(problem, (13,))
        d, k, f, width = p[5], p[6], p[7], p[8]
        at = places(k, d, f, width)
        room = _malloc(at.walk + plan.pattern_memory(k, d, f, width).bytes + 64)
        memory = (room + 63) // 64 * 64
        t = turn(memory, k, d, f, width)
        point, slope, result = d1(u, (length,)), d1(gradient, (length,)), d1(value, (1,))
        constants = d1(p[11], (p[12],))
        result[0] = enter(point, constants, t)
        inside = begin(result[0], t)
        _clear(slope)
        if inside:
            _pass(p[0], p[1], p[2], p[3], p[4], d, k, f, width, memory, memory + at.means, memory + at.factors, p[9],
                  p[10], 0, 0, 0, 0, 0, value, memory + at.m0, memory + at.m1, memory + at.m2,
                  memory + at.walk)  # fmt: skip
            leave(point, constants, t, slope)
            inside = _is_finite(result, slope)
        _free(room)
        return 0 if inside else OUTSIDE

    return evaluate


class Memory(NamedTuple):
    """Where the buffers of an evaluation begin, in bytes."""

    means: int
    factors: int
    m0: int
    m1: int
    m2: int
    gap: int
    a: int
    inverse: int
    work: int
    walk: int


@njit(**EXACT)
def places(k, d, f, width):
    """Lay out the buffers of K components of D features that share F factors (D, width)."""
    means = 8 * k
    factors = means + 8 * k * d
    m0 = factors + 8 * f * d * width
    m1 = m0 + 8 * k
    m2 = m1 + 8 * k * d
    gap = m2 + 8 * k * d * width
    a = gap + 8 * k * d
    inverse = a + 8 * f * d * d
    work = inverse + 8 * f * d * d
    walk = -(-(work + 16 * d * d) // 64) * 64
    return Memory(means, factors, m0, m1, m2, gap, a, inverse, work, walk)


@njit(**EXACT)
def turn(memory, k, d, f, width):
    """A turn in the memory at an address, as `places` lays it out."""
    at = places(k, d, f, width)
    return Turn(
        d1(memory, (k,)), d2(memory + at.means, (k, d)), d3(memory + at.factors, (f, d, width)),
        d1(memory + at.m0, (k,)), d2(memory + at.m1, (k, d)), d3(memory + at.m2, (k, d, width)),
        d2(memory + at.gap, (k, d)), d3(memory + at.a, (f, d, d)), d3(memory + at.inverse, (f, d, d)),
        d3(memory + at.work, (2, d, d)),
    )  # fmt: skip


@njit(**EXACT)
def _clear(out):
    for i in range(out.shape[0]):
        out[i] = 0.0


@njit(**EXACT)
def begin(value, t):
    """Clear the sums; False where u overflows, and has no density in double precision."""
    for k in range(t.m0.shape[0]):
        t.m0[k] = 0.0
        for j in range(t.m1.shape[1]):
            t.m1[k, j] = 0.0
            for i in range(t.m2.shape[2]):
                t.m2[k, j, i] = 0.0
    inside = math.isfinite(value)
    for f in range(t.factors.shape[0]):
        for j in range(t.factors.shape[1]):
            diagonal = t.factors[f, j, j if t.factors.shape[2] > 1 else 0]
            inside = inside and diagonal > 0 and math.isfinite(diagonal)
    return inside


@njit(**EXACT)
def _is_finite(result, gradient):
    inside = math.isfinite(result[0])
    for i in range(gradient.shape[0]):
        inside = inside and math.isfinite(gradient[i])
    return inside


# ---- triangular matrices


@njit(**EXACT)
def invert(a, inverse):
    """The inverse of a lower triangular matrix."""
    d = a.shape[0]
    for i in range(d):
        for j in range(d):
            inverse[i, j] = 0.0
        inverse[i, i] = 1.0 / a[i, i]
        for j in range(i):
            s = 0.0
            for h in range(j, i):
                s -= a[i, h] * inverse[h, j]
            inverse[i, j] = s / a[i, i]


@njit(**EXACT)
def multiply(a, b, out):
    """The product of two lower triangular matrices."""
    d = a.shape[0]
    for i in range(d):
        for j in range(d):
            s = 0.0
            for h in range(j, i + 1):
                s += a[i, h] * b[h, j]
            out[i, j] = s


@njit(**EXACT)
def solve(factor, z):
    """z becomes L⁻¹ z; the factor (D, D), or (D, 1) if diagonal."""
    for i in range(z.shape[0]):
        if factor.shape[1] > 1:
            for j in range(i):
                z[i] -= factor[i, j] * z[j]
            z[i] /= factor[i, i]
        else:
            z[i] /= factor[i, 0]


@njit(**EXACT)
def solve_transposed(factor, z):
    """z becomes L⁻ᵀ z."""
    for i in range(z.shape[0] - 1, -1, -1):
        if factor.shape[1] > 1:
            for j in range(i + 1, z.shape[0]):
                z[i] -= factor[j, i] * z[j]
            z[i] /= factor[i, i]
        else:
            z[i] /= factor[i, 0]
