"""A density in coordinates in which its mode is the origin and the curvature there the identity: u = mode + A v.

NUTS then begins with steps of the right length in every direction. No diagonal of a mass matrix could say as much, and
warm-up would have to find it out while chains are still far from where they belong.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from bayesgmm.kernel.library import Routine
from bayesgmm.kernel.library import address as address_of
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1

ROUTINE = Routine("whitened", 5, __name__, ("engines/density/whitened.py",))
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))


class Whitened:
    """A density of v (p,).

    Parameters
    ----------
    density : Density or Program
        Of u (p,), with the `pointer` of a C function.
    mode : ndarray (p,)
    factor : ndarray (p, p) or (p,)
        A, lower triangular, or its diagonal.
    """

    def __init__(self, density, mode, factor):
        self.size = len(mode)
        self._mode, self._factor = np.ascontiguousarray(mode, dtype=float), np.ascontiguousarray(factor, dtype=float)
        turned = np.ascontiguousarray(self._factor.T)
        self._kept = density, turned
        arrays = (self._mode, self._factor, turned)
        self._problem = np.array([*density.pointer, *(a.ctypes.data for a in arrays), self._factor.ndim])

    @property
    def pointer(self) -> tuple[int, int]:
        """Addresses of the C function (p, v, gradient, value, problem) and of its problem, valid while this lives."""
        return address_of(ROUTINE), self._problem.ctypes.data

    def points(self, v) -> np.ndarray:
        """u (…, p) of v (…, p)."""
        return self._mode + (v @ self._factor.T if self._factor.ndim == 2 else v * self._factor)


@intrinsic
def _call(typing_context, function, a, b, c, d, e):
    """Call the C function of five integers at an address."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 5)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(*[types.int64] * 6), generate


def function(name):
    """The C function of a density in whitened coordinates."""

    def evaluate(p, v, gradient, value, problem):
        at = i1(problem, (6,))
        u = _malloc(16 * p)
        mode, point, slope = d1(at[2], (p,)), d1(u, (p,)), d1(u + 8 * p, (p,))
        if at[5] == 2:
            _forward(d1(v, (p,)), mode, d2(at[4], (p, p)), point)
        else:
            _scale(d1(v, (p,)), d1(at[3], (p,)), point)
            for i in range(p):
                point[i] += mode[i]
        failed = _call(at[0], p, u, u + 8 * p, value, at[1])
        if failed == 0:
            if at[5] == 2:
                _backward(slope, d2(at[3], (p, p)), d1(gradient, (p,)))
            else:
                _scale(slope, d1(at[3], (p,)), d1(gradient, (p,)))
        _free(u)
        return failed

    return evaluate


@njit(**EXACT)
def _scale(a, b, out):
    for i in range(a.shape[0]):
        out[i] = a[i] * b[i]


# Both loops run along rows: they vectorise, and no sum changes its order.


@njit(**EXACT)
def _forward(v, mode, turned, u):
    """u = mode + A v; ``turned`` is Aᵀ."""
    p = v.shape[0]
    for i in range(p):
        u[i] = mode[i]
    for j in range(p):
        for i in range(j, p):
            u[i] += turned[j, i] * v[j]


@njit(**EXACT)
def _backward(g, a, out):
    """Aᵀ g."""
    p = g.shape[0]
    for j in range(p):
        out[j] = 0.0
    for i in range(p):
        for j in range(i + 1):
            out[j] += a[i, j] * g[i]
