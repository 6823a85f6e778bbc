"""EM from a mixture to its mode, once after another, as a C function: each time other rows or other weights.

Everything happens in coordinates in which the current component is N(0, I). With m₀, m₁, m₂ the moments there, EM goes
to m̄ = m₁/m₀ and C = m₂/m₀ − m̄ m̄ᵀ: the new mean is μ + L m̄, the new factor L chol C. Where EM stays, m̄ = 0 and C = I;
what a step moves, N Σ_k π_k (|m̄|² + ½ |C − I|² + (Δ log π_k)²), is its squared length in standard errors, were labels
known. If steps shrink by a factor ρ, Newton's decrement is about 1/(1 − ρ) times that: a climb ends where it is small.
Along a ridge, where ρ is near 1, every few steps one goes all the way that the others would add up to, 1/(1 − ρ) times
as far (Aitken), and is taken back if the likelihood has not risen: so it never falls.
"""

from __future__ import annotations

import math

from numba import njit, types

from bayesgmm.kernel import assign, plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import WALK
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, d3, i1

_walk = external(WALK["dd"])
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
# How a climb ended.
CONVERGED, CLIMBING, COLLAPSED = 0, 1, 2
# A pivot of C below this is a covariance that collapses: in one step it would lose eight digits.
_LEAST_PIVOT = 1e-16
# Plain steps between two long ones, and after one that was taken back; where a long one pays, and the longest.
_BETWEEN, _AFTER, _SLOW, _LONGEST = 4, 15, 0.6, 100.0
# Steps after which the ratio of two says how fast they shrink: first they tell of directions that are soon done.
_SETTLED = 3
# Steps this much shorter than the bound are rounding: they do not shrink.
_LEAST = 1e-6


def function(name):
    """The climbs as a C function: n of them, over rows x and weights that move on from one to the next by a step.

    ``theta`` holds log π (K,), μ (K, D) and L (F, D, width) of each climb, and is climbed in place; ``ends`` says how
    each ended. Where ``is_round``, a diagonal has one number.
    """

    def climbs(n_climbs, x, x_step, n, n_components, n_features, n_factors, width, is_round,
               weights, weights_step, most, tolerance, theta, step, ends):  # fmt: skip
        k, d = n_components, n_features
        numbers = k + k * d + n_factors * d * width
        sums = 64 + 8 * k * (1 + d + d * width)
        room = _malloc(sums + 8 * numbers + plan.memory(k, d, n_factors, width, 8).bytes + 192)
        memory = (room + 63) // 64 * 64
        back = d1(memory + (sums + 63) // 64 * 64, (numbers,))
        work = memory + (sums + 63) // 64 * 64 + (8 * numbers + 63) // 64 * 64
        m0, m1, m2 = d1(memory + 64, (k,)), d2(memory + 64 + 8 * k, (k, d)), d3(memory + 64 + 8 * k * (1 + d),
                                                                               (k, d, width))  # fmt: skip
        begin, likelihood = i1(memory, (3,)), d1(memory + 24, (1,))
        bound, how = d1(tolerance, (1,))[0], i1(ends, (n_climbs,))
        for i in range(n_climbs):
            at = theta + i * step
            means = at + 8 * k
            factors = means + 8 * k * d
            logs, mu, ell = d1(at, (k,)), d2(means, (k, d)), d3(factors, (n_factors, d, width))
            whole = d1(at, (numbers,))
            before, last, wait, leapt, turn = -math.inf, math.inf, _BETWEEN, False, 0
            how[i] = CLIMBING
            while how[i] == CLIMBING and turn < most:
                turn += 1
                _clear(m0, m1, m2)
                begin[0], begin[1], begin[2], likelihood[0] = 0, 0, 0, 0.0
                _walk(memory, x + i * x_step, 8 * d, 8, n, k, d, n_factors, width, at, means, factors,
                      weights + i * weights_step, n if weights != 0 else 0, assign.SOFT, memory + 8, 0, 0, 0, 0,
                      1, memory + 24, memory + 64, memory + 64 + 8 * k, memory + 64 + 8 * k * (1 + d),
                      work)  # fmt: skip
                if leapt and not likelihood[0] >= before:
                    _copy(back, whole)
                    last, wait, leapt = math.inf, _AFTER, False
                    continue
                moved = _look(logs, n_factors, is_round, m0, m1, m2)
                rate = math.sqrt(moved / last) if 0.0 <= moved < last else 1.0
                wait -= 1
                leapt = wait < 0 and _SLOW < rate < 1.0
                before, last = likelihood[0], moved
                if leapt:
                    _copy(whole, back)
                far = min(1.0 / (1.0 - rate), _LONGEST) if leapt else 1.0
                if moved < 0.0 or not _go(far, logs, mu, ell, m0, m1, m2):
                    if leapt:
                        _copy(back, whole)
                        last, wait, leapt = math.inf, _AFTER, False
                    else:
                        how[i] = COLLAPSED
                elif wait <= _BETWEEN - _SETTLED and moved <= bound * max(1.0 - rate, _LEAST):
                    how[i] = CONVERGED
                if leapt:
                    last, wait = math.inf, _BETWEEN
        _free(room)
        return 0

    return climbs


@njit(**EXACT)
def _copy(a, b):
    for i in range(a.shape[0]):
        b[i] = a[i]


@njit(**EXACT)
def _clear(m0, m1, m2):
    for k in range(m0.shape[0]):
        m0[k] = 0.0
        for j in range(m1.shape[1]):
            m1[k, j] = 0.0
            for i in range(m2.shape[2]):
                m2[k, j, i] = 0.0


@njit(**EXACT)
def _look(logs, n_factors, is_round, m0, m1, m2):
    """m̄ and C in place of moments, and the squared length of EM's step; −1 where a component has lost its rows."""
    k, d, width = m2.shape
    total, moved = _total(m0), 0.0
    for i in range(k):
        if not m0[i] > 0.0:
            return -1.0
        moved += m0[i] * (math.log(m0[i] / total) - logs[i]) ** 2
        _centre(m0[i], m1[i], m2[i])
        for j in range(d):
            moved += m0[i] * m1[i, j] ** 2
    if n_factors < k:
        _pool(m0, total, m2)
    for f in range(n_factors):
        if width == 1 and is_round:
            _even(m2[f])
        moved += 0.5 * (m0[f] if n_factors > 1 else total) * _off(m2[f])
    return moved if moved >= 0.0 else -1.0


@njit(**EXACT)
def _go(far, logs, means, factors, m0, m1, m2):
    """Go ``far`` times as far as EM does; False where a covariance collapses."""
    k, total, norm = m0.shape[0], _total(m0), 0.0
    for i in range(k):
        logs[i] += far * (math.log(m0[i] / total) - logs[i])
        norm += math.exp(logs[i])
        _shift(factors[i if factors.shape[0] > 1 else 0], far, m1[i], means[i])
    for i in range(k):
        logs[i] -= math.log(norm)
    for f in range(factors.shape[0]):
        if not _turn(factors[f], far, m2[f]):
            return False
    return True


@njit(**EXACT)
def _total(m0):
    s = 0.0
    for i in range(m0.shape[0]):
        s += m0[i]
    return s


@njit(**EXACT)
def _centre(m0, m1, m2):
    """m̄ in place of m₁, and C in place of m₂, on and below the diagonal."""
    d, width = m2.shape
    for j in range(d):
        m1[j] /= m0
    for j in range(d):
        if width > 1:
            for h in range(j + 1):
                m2[j, h] = m2[j, h] / m0 - m1[j] * m1[h]
        else:
            m2[j, 0] = m2[j, 0] / m0 - m1[j] ** 2


@njit(**EXACT)
def _shift(factor, far, z, mean):
    """μ + far · L z in place of μ."""
    d, width = factor.shape
    for j in range(d):
        if width > 1:
            for h in range(j + 1):
                mean[j] += far * factor[j, h] * z[h]
        else:
            mean[j] += far * factor[j, 0] * z[j]


@njit(**EXACT)
def _pool(m0, total, m2):
    """The weighted average of all C in place of the first."""
    k, d, width = m2.shape
    for j in range(d):
        for h in range(width):
            s = 0.0
            for i in range(k):
                s += m0[i] * m2[i, j, h]
            m2[0, j, h] = s / total


@njit(**EXACT)
def _even(c):
    """One variance for all features."""
    s = 0.0
    for j in range(c.shape[0]):
        s += c[j, 0]
    for j in range(c.shape[0]):
        c[j, 0] = s / c.shape[0]


@njit(**EXACT)
def _off(c):
    """|C − I|², of a symmetric C known below the diagonal and on it, or of a diagonal."""
    d, width = c.shape
    off = 0.0
    for j in range(d):
        if width == 1:
            off += (c[j, 0] - 1.0) ** 2
            continue
        for h in range(j):
            off += 2.0 * c[j, h] ** 2
        off += (c[j, j] - 1.0) ** 2
    return off


@njit(**EXACT)
def _turn(factor, far, c):
    """L chol(I + far · (C − I)) in place of L, or False where that is singular; C is used up."""
    d, width = factor.shape
    for j in range(d):
        if width == 1:
            pivot = 1.0 + far * (c[j, 0] - 1.0)
            if not pivot > _LEAST_PIVOT:
                return False
            factor[j, 0] *= math.sqrt(pivot)
            continue
        for h in range(j + 1):
            s = far * c[j, h] if h < j else 1.0 + far * (c[j, j] - 1.0)
            for i in range(h):
                s -= c[j, i] * c[h, i]
            if h < j:
                c[j, h] = s / c[h, h]
            elif s > _LEAST_PIVOT:
                c[j, j] = math.sqrt(s)
            else:
                return False
    for j in range(d if width > 1 else 0):
        for h in range(j + 1):
            s = 0.0
            for i in range(h, j + 1):
                s += factor[j, i] * c[i, h]
            factor[j, h] = s
    return True
