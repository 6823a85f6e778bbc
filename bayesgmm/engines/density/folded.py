"""A density in coordinates in which its modes lie on top of each other: u = m_j + A_j v for mode j of J.

With one mode, m + A v puts it at the origin, with the identity as its curvature: NUTS begins with steps of the right
length in every direction. No diagonal of a mass matrix could say as much, and warm-up would have to find it out while
chains are still far from where they belong.

With several, chains would cross from one to another once in ten thousand draws, if ever. So the density is cut in
pieces, p(u) = Σ_j p(u) s_j(u) with smooth shares s_j ≥ 0, Σ_j s_j = 1, near one around mode j, and the pieces are laid
over each other:

    q(v) = Σ_j t_j(v),   t_j(v) = p(u_j) s_j(u_j) |A_j|,   u_j = m_j + A_j v.

If v has density q, and j given v is drawn with probability t_j(v) / q(v), then u_j has density p: each piece keeps its
mass under the change of variables, whatever the shares are. A chain needs to cross nothing: all modes are at the
origin. The shares are those of Student's t around each mode, in the proportions of their masses: only how well q is
sampled depends on them.

The idea of moving pieces of a density onto each other is that of warp bridge sampling (Meng & Schilling 2002; Wang,
Jones & Meng 2022), which moves the whole of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from bayesgmm.kernel.library import Routine
from bayesgmm.kernel.library import address as address_of
from bayesgmm.kernel.library import function as function_of
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1

ROUTINE = Routine("folded", 5, __name__, ("engines/density/folded.py",))
# Of the shares: few degrees of freedom, since posteriors have longer tails than their curvature says.
DOF = 4.0
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))


class Pieces(NamedTuple):
    """What log q is made with, piece by piece."""

    points: np.ndarray  # m_j (J, p)
    factors: np.ndarray  # A_j (J, p, p), or (1, p)
    inverses: np.ndarray | None  # their inverses, where there are several
    sizes: np.ndarray  # log |A_j| − log |A_0| (J,)
    heights: np.ndarray  # log c_j − log |A_j| (J,), but for a constant


class Folded:
    """A density of v (p,).

    Parameters
    ----------
    density : Density or Traced
        Of u (p,), with the `pointer` of a C function.
    modes : sequence of Mode
        ``point`` (p,), ``factor`` A (p, p), lower triangular, or, for one mode alone, its diagonal (p,), and
        ``log_mass``. The values of log q are those of log p in the coordinates of the first.
    """

    def __init__(self, density, modes):
        self.size, self.n_modes = len(modes[0].point), len(modes)
        self._points, self._factors = (
            np.ascontiguousarray([getattr(m, name) for m in modes], dtype=float) for name in ("point", "factor")
        )
        self._terms = np.zeros((2, self.n_modes))
        turned, arrays = np.ascontiguousarray(self._factors.mT if self._factors.ndim == 3 else self._factors), []
        if self.n_modes > 1:
            sizes = np.log(np.diagonal(self._factors, axis1=1, axis2=2)).sum(axis=1)
            heights = np.array([m.log_mass for m in modes]) - sizes
            arrays = [np.linalg.inv(self._factors), sizes - sizes[0], heights - heights.max()]
        arrays = [self._points, self._factors, turned, *(np.ascontiguousarray(a) for a in arrays)]
        self._kept = density, arrays
        places = [a.ctypes.data for a in arrays] + [0] * (6 - len(arrays))
        self._problem = np.array([*density.pointer, self.n_modes, self._factors.ndim - 1, *places, 0])
        # The same, but the terms of q are noted.
        self._noted = np.array([*self._problem[:-1], self._terms.ctypes.data])

    @property
    def pieces(self) -> Pieces:
        """What log q is made with, for those who write it in another language."""
        return Pieces(self._points, self._factors, *(self._kept[1][3:] or (None, np.zeros(1), np.zeros(1))))

    @property
    def pointer(self) -> tuple[int, int]:
        """Addresses of the C function (p, v, gradient, value, problem) and of its problem, valid while this lives."""
        return address_of(ROUTINE), self._problem.ctypes.data

    def __call__(self, v) -> tuple[float, np.ndarray]:
        """log q at v (p,) and its gradient (p,); −inf and zeros where every piece overflows."""
        return self._evaluate(v, self._problem)

    def _evaluate(self, v, problem):
        v = np.ascontiguousarray(v, dtype=float)
        gradient, value = np.zeros(self.size), np.empty(1)
        addresses = (a.ctypes.data for a in (v, gradient, value, problem))
        failed = function_of(ROUTINE)(self.size, *addresses)
        return (-np.inf, gradient) if failed else (float(value[0]), gradient)

    def unfold(self, v, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Draws of u (…, p) from draws of v (…, p), the mode that each comes from (…), and log p there (…).

        With one mode, nothing needs to be drawn, and the last two are None.
        """
        if self.n_modes == 1:
            factor = self._factors[0]
            return self._points[0] + (v @ factor.T if factor.ndim == 2 else v * factor), None, None
        flat = v.reshape(-1, self.size)
        u, chosen, heights = np.empty_like(flat), np.empty(len(flat), dtype=int), np.empty(len(flat))
        for m, (row, level) in enumerate(zip(flat, rng.random(len(flat)), strict=True)):
            value = self._evaluate(row, self._noted)[0]
            shares = np.exp(self._terms[0] - value).cumsum()
            j = min(int(np.searchsorted(shares, level * shares[-1])), self.n_modes - 1)
            u[m] = self._points[j] + self._factors[j] @ row
            chosen[m], heights[m] = j, self._terms[1, j]
        lead = v.shape[:-1]
        return u.reshape(v.shape), chosen.reshape(lead), heights.reshape(lead)


@intrinsic
def _call(typing_context, function, a, b, c, d, e):
    """Call the C function of five integers at an address."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 5)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(*[types.int64] * 6), generate


def function(name):
    """The C function of a density in folded coordinates."""

    def evaluate(p, v, gradient, value, problem):
        at = i1(problem, (11,))
        n_modes = at[2]
        memory = _malloc(8 * ((3 + n_modes) * p + 2 * n_modes))
        failed = _one(p, v, gradient, value, at, memory) if n_modes == 1 else _many(p, v, gradient, value, at, memory)
        _free(memory)
        return failed

    return evaluate


@njit(**EXACT)
def _one(p, v, gradient, value, at, memory):
    u, slope = d1(memory, (p,)), d1(memory + 8 * p, (p,))
    if at[3] == 2:
        _forward(d1(v, (p,)), d1(at[4], (p,)), d2(at[6], (p, p)), u)
    else:
        _scale(d1(v, (p,)), d1(at[5], (p,)), u)
        for i in range(p):
            u[i] += d1(at[4], (p,))[i]
    failed = _call(at[0], p, memory, memory + 8 * p, value, at[1])
    if failed == 0:
        if at[3] == 2:
            _backward(slope, d2(at[5], (p, p)), d1(gradient, (p,)))
        else:
            _scale(slope, d1(at[5], (p,)), d1(gradient, (p,)))
    return failed


@njit(**EXACT)
def _many(p, v, gradient, value, at, memory):
    """log Σ_j t_j and its gradient, piece after piece; a piece that overflows is nothing."""
    n, whole = at[2], d1(gradient, (p,))
    u, slope, step = d1(memory, (p,)), d1(memory + 8 * p, (p,)), d1(memory + 16 * p, (p,))
    apart, logs = d2(memory + 24 * p, (n, p)), d2(memory + 8 * (3 + n) * p, (2, n))
    sizes, result = d1(at[8], (n,)), d1(value, (1,))
    terms = d2(at[10], (2, n))
    total = -math.inf
    for j in range(n):
        height = term = -math.inf
        _forward(d1(v, (p,)), d1(at[4] + 8 * p * j, (p,)), d2(at[6] + 8 * p * p * j, (p, p)), u)
        if _call(at[0], p, memory, memory + 8 * p, value, at[1]) == 0:
            height = result[0]
            term = height + sizes[j] + _share(j, d1(v, (p,)), u, at, apart, logs, slope)
        if at[10] != 0:
            terms[0, j], terms[1, j] = term, height
        if term == -math.inf:
            continue
        _backward(slope, d2(at[5] + 8 * p * p * j, (p, p)), step)
        higher = max(total, term)
        old, new = math.exp(total - higher), math.exp(term - higher)
        for i in range(p):
            whole[i] = (old * whole[i] if old > 0.0 else 0.0) + new * step[i]
        total = higher + math.log(old + new)
        # Gradients so far are weighed against exp(higher): bring them to the sum.
        for i in range(p):
            whole[i] /= old + new
    result[0] = total
    return 0 if total > -math.inf else 1


@njit(**EXACT)
def _share(j, v, u, at, apart, logs, slope):
    """log s_j at u = m_j + A_j v; its gradient is added to ``slope``."""
    n, p = at[2], v.shape[0]
    heights, most = d1(at[9], (n,)), -math.inf
    for i in range(n):
        if i == j:
            for h in range(p):
                apart[i, h] = v[h]
        else:
            _whiten(u, d1(at[4] + 8 * p * i, (p,)), d2(at[7] + 8 * p * p * i, (p, p)), apart[i])
        square = 0.0
        for h in range(p):
            square += apart[i, h] * apart[i, h]
        logs[0, i] = heights[i] - 0.5 * (DOF + p) * math.log1p(square / DOF)
        logs[1, i] = (DOF + p) / (DOF + square)
        most = max(most, logs[0, i])
    total = 0.0
    for i in range(n):
        total += math.exp(logs[0, i] - most)
    for i in range(n):
        # ∇ log s_j = Σ_i (s_i − [i = j]) (ν+p)/(ν+‖z_i‖²) A_i⁻ᵀ z_i,  z_i = A_i⁻¹ (u − m_i)
        weight = (math.exp(logs[0, i] - most) / total - (1.0 if i == j else 0.0)) * logs[1, i]
        if weight != 0.0:
            _unwhiten(weight, apart[i], d2(at[7] + 8 * p * p * i, (p, p)), slope)
    return logs[0, j] - most - math.log(total)


@njit(**EXACT)
def _scale(a, b, out):
    for i in range(a.shape[0]):
        out[i] = a[i] * b[i]


# All loops run along rows: they vectorise, and no sum changes its order.


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


@njit(**EXACT)
def _whiten(u, mode, inverse, z):
    """z = A⁻¹ (u − mode)."""
    for i in range(u.shape[0]):
        s = 0.0
        for j in range(i + 1):
            s += inverse[i, j] * (u[j] - mode[j])
        z[i] = s


@njit(**EXACT)
def _unwhiten(weight, z, inverse, out):
    """Add a multiple of A⁻ᵀ z."""
    for i in range(z.shape[0]):
        for j in range(i + 1):
            out[j] += weight * z[i] * inverse[i, j]
