"""Quasi-Newton EM from one mixture after another as a C function: what `fit.em` does, for every covariance family.

A step costs microseconds over few rows, a hundredth of what Python needs to ask for it. The rules are those of
`fit.em.em`: EM's own steps first, then quasi-Newton ones wherever they gain; the objective never falls.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit, types

from bayesgmm.kernel import assign, plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import WALK
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.places import Place, Prior, Shape, along, covariances, image, penalised, toward
from bayesgmm.kernel.quasi import MEMORY, NARROWEST, RADIUS, WIDEST, Pairs, decrement, direct, dot, learn
from bayesgmm.kernel.structure import begin_at
from bayesgmm.kernel.structure import numbers as needs
from bayesgmm.kernel.views import d1, d2, d3, i1

_walk = external(WALK["dd"])
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
# How a climb ended.
CONVERGED, CLIMBING, COLLAPSED = 0, 1, 2
# Gradients per row from which quasi-Newton steps are tried, and below which nothing is left to gain.
NEAR, LEAST_GRADIENT = 0.05, 1e-8
_EPS = 2.220446049250313e-16
# Sweeps over shared axes in one M-step, which need not be at its maximum to gain.
_SWEEPS = 2


def function(name):
    """The ascents as a C function: n of them, over rows x and weights that move on from one to the next by a step.

    ``parts`` has K, D, F, the width of factors, and volume, shape and axes; ``given`` the tolerance, the least squared
    pivots (D,), and κ of a prior, with what else `places.Prior` holds. ``theta`` holds log π (K,), μ (K, D) and
    L (F, D, width) of each climb, and is climbed in place; ``ends`` says how each ended and after how many steps;
    ``heights`` its log-likelihood and objective; ``history`` the objective at each of its steps.
    """

    def ascents(n_climbs, x, x_step, n, parts, weights, weights_step, most, given, theta, step, ends, heights,
                history):  # fmt: skip
        sides = i1(parts, (7,))
        k, d, n_factors, width = sides[0], sides[1], sides[2], sides[3]
        numbers = k + k * d + n_factors * d * width
        p = k + k * d + n_factors * (d * (d + 1) // 2 if width > 1 else d)
        sums = 64 + 8 * k * (1 + d + d * width)
        walking = plan.memory(k, d, n_factors, width, 8).bytes + 128
        floats = 4 * numbers + (4 + 2 * MEMORY) * p + 8 + 2 * MEMORY + 3 * k * d * d + 2 * k + 2 * d * d + needs(k, d)
        room = _malloc(sums + walking + 8 * floats + 64 + 128)
        memory = (room + 63) // 64 * 64
        work = memory + (sums + 63) // 64 * 64
        here, at = _place(work + (walking + 63) // 64 * 64, k, d, n_factors, width, p)
        there, at = _place(at, k, d, n_factors, width, p)
        first, second = d1(at, (p,)), d1(at + 8 * p, (p,))
        pairs, at = _pairs(at + 16 * p, p)
        s, prior = _shape(at, sides, d1(given + 8, (d,)), k, d), _prior(given + 8 + 8 * d, k, d)
        end, reached = i1(ends, (2 * n_climbs,)), d1(heights, (2 * n_climbs,))
        for i in range(n_climbs):
            start = d1(theta + i * step, (numbers,))
            rows = Rows(x + i * x_step, n, weights + i * weights_step if weights != 0 else 0, memory, work)
            _copy(start, here.whole)
            end[2 * i], end[2 * i + 1] = _climb(
                here, there, s, prior, pairs, first, second, rows, d1(given, (1,))[0], most,
                d1(history + 8 * i * (most + 1), (most + 1,)))  # fmt: skip
            _copy(here.whole, start)
            reached[2 * i], reached[2 * i + 1] = here.heights[0], here.heights[1]
        _free(room)
        return 0

    return ascents


class Rows(NamedTuple):
    """Rows, where they and their weights stand, and memory for a pass over them."""

    x: int
    n: int
    weights: int  # 0: each counts once
    memory: int
    work: int


@njit(**EXACT)
def _climb(here, there, s, prior, pairs, first, second, rows, bound, most, path):
    """From a place upwards, until little is left to gain: how it ended, and after how many steps."""
    total, radius, turn = _total(rows), RADIUS, 0
    pairs.state[0], pairs.state[1], pairs.state[2] = 0, 0, 0
    covariances(here, s)
    begin_at(s.shape, s.axes, s.out, s.b, s.frames, s.u)
    if not _look(here, s, prior, rows, total):
        return COLLAPSED, 0
    while True:
        path[turn] = here.heights[1]
        square = dot(here.residual, here.residual)
        gradient = math.sqrt(square / total)
        if decrement(pairs, square) < bound or gradient < LEAST_GRADIENT:
            return CONVERGED, turn
        if turn >= most:
            return CLIMBING, turn
        moved, tries, rounding = False, 0, 4.0 * _EPS * (abs(here.heights[1]) + total)
        while not moved and tries < 2 and pairs.state[0] > 0 and gradient < NEAR:
            tries += 1
            moved = _leap(here, there, s, prior, pairs, first, second, rows, total, radius, rounding)
            radius = min(1.5 * radius, WIDEST) if moved else max(radius / 3.0, NARROWEST)
        if not moved:
            _copy(here.next_whole, there.whole)
            if not _look(there, s, prior, rows, total):
                return COLLAPSED, turn
            learn(pairs, here.residual, here.residual, there.residual)
            if not there.heights[1] - here.heights[1] >= -rounding:
                return CLIMBING, turn
        turn += 1
        _move(there, here)


@njit(**EXACT)
def _leap(here, there, s, prior, pairs, first, second, rows, total, radius, rounding):
    """A quasi-Newton step; whether it gains. Below rounding the slopes tell, which cancel less (Hager & Zhang 2005)."""
    direct(pairs, here.residual, first)
    if not (along(here, first, radius, total, s, there) and _look(there, s, prior, rows, total)):
        return False
    toward(here, there.logs, there.means, there.factors, total, s.square, second)
    learn(pairs, second, here.residual, there.residual)
    gain = there.heights[1] - here.heights[1]
    slope = dot(second, here.residual) + dot(second, there.residual)
    return gain > rounding or (gain >= -rounding and slope > 0.0)


@njit(**EXACT)
def _total(rows):
    if rows.weights == 0:
        return float(rows.n)
    weights, total = d1(rows.weights, (rows.n,)), 0.0
    for i in range(rows.n):
        total += weights[i]
    return total


@njit(**EXACT)
def _pairs(at, p):
    """Room for pairs at an address, and the address after it."""
    later = at + 16 * MEMORY * p
    pairs = Pairs(d2(at, (MEMORY, p)), d2(at + 8 * MEMORY * p, (MEMORY, p)), d1(later, (MEMORY,)),
                  i1(later + 8 * MEMORY, (3,)), d1(later + 8 * MEMORY + 24, (MEMORY,)))  # fmt: skip
    return pairs, later + 16 * MEMORY + 24


@njit(**EXACT)
def _shape(at, sides, floor, k, d):
    """Room for M-steps at an address."""
    big = 8 * k * d * d
    rest = at + 3 * big
    return Shape(sides[4], sides[5], sides[6], d3(at, (k, d, d)), d1(rest, (k,)), d3(at + big, (k, d, d)),
                 d1(rest + 8 * k, (k,)), d3(at + 2 * big, (k, d, d)), d2(rest + 16 * k, (d, d)),
                 d2(rest + 16 * k + 8 * d * d, (d, d)), floor, rest + 16 * k + 16 * d * d, _SWEEPS)  # fmt: skip


@njit(**EXACT)
def _prior(at, k, d):
    """A prior at an address."""
    later = at + 8 + 8 * d
    return Prior(d1(at, (1,))[0], d1(at + 8, (d,)), d1(later, (k,)), d1(later + 8 * k, (k,)),
                 d3(later + 16 * k, (k, d, d)))  # fmt: skip


@njit(**EXACT)
def _place(at, k, d, n_factors, width, p):
    """A place at an address, and the address after it."""
    numbers = k + k * d + n_factors * d * width
    later = at + 8 * numbers
    place = Place(
        d1(at, (k,)), d2(at + 8 * k, (k, d)), d3(at + 8 * k * (1 + d), (n_factors, d, width)), d1(at, (numbers,)),
        d1(later, (k,)), d2(later + 8 * k, (k, d)), d3(later + 8 * k * (1 + d), (n_factors, d, width)),
        d1(later, (numbers,)), d1(at + 16 * numbers, (p,)), d1(at + 16 * numbers + 8 * p, (2,)),
    )  # fmt: skip
    return place, at + 16 * numbers + 8 * p + 16


@njit(**EXACT)
def _look(here, s, prior, rows, total):
    """One pass over the rows: the height of a place, and where EM would go; False where a covariance collapses."""
    k, d = here.means.shape
    width, memory = here.factors.shape[2], rows.memory
    m0, m1 = d1(memory + 64, (k,)), d2(memory + 64 + 8 * k, (k, d))
    m2, begin, likelihood = d3(memory + 64 + 8 * k * (1 + d), (k, d, width)), i1(memory, (3,)), d1(memory + 24, (1,))
    for i in range(k):
        m0[i] = 0.0
        for j in range(d):
            m1[i, j] = 0.0
            for h in range(width):
                m2[i, j, h] = 0.0
    begin[0], begin[1], begin[2], likelihood[0] = 0, 0, 0, 0.0
    _pass(here, rows)
    here.heights[0] = likelihood[0]
    here.heights[1] = likelihood[0]
    if prior.kappa > 0.0:
        here.heights[1] += penalised(here, s, prior)
    if not abs(here.heights[1]) < math.inf or not image(here, s, prior, m0, m1, m2):
        return False
    toward(here, here.next_logs, here.next_means, here.next_factors, total, s.square, here.residual)
    return True


@njit(**EXACT)
def _pass(here, rows):
    k, d = here.means.shape
    n_factors, width, memory = here.factors.shape[0], here.factors.shape[2], rows.memory
    at = here.whole.ctypes.data
    _walk(memory, rows.x, 8 * d, 8, rows.n, k, d, n_factors, width, at, at + 8 * k, at + 8 * k * (1 + d),
          rows.weights, rows.n if rows.weights != 0 else 0, assign.SOFT, memory + 8, 0, 0, 0, 0,
          1, memory + 24, memory + 64, memory + 64 + 8 * k, memory + 64 + 8 * k * (1 + d), rows.work)  # fmt: skip


@njit(**EXACT)
def _move(there, here):
    """Be at the other place."""
    _copy(there.whole, here.whole)
    _copy(there.next_whole, here.next_whole)
    _copy(there.residual, here.residual)
    _copy(there.heights, here.heights)


@njit(**EXACT)
def _copy(a, b):
    for i in range(a.shape[0]):
        b[i] = a[i]
