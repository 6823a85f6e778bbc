"""Quasi-Newton EM from one mixture after another as a C function: what `fit.em` does, for every covariance family.

A step costs microseconds over few rows, a hundredth of what Python needs to ask for it. The rules are those of
`fit.em.em`: EM's own steps first, then quasi-Newton ones wherever they gain; the objective never falls.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, types

from bayesgmm.kernel import assign, plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import WALK
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.places import (
    Place,
    Prior,
    Shape,
    along,
    covariances,
    image,
    penalised,
    structure,
    toward,
)
from bayesgmm.kernel.pooled import pool
from bayesgmm.kernel.quasi import MEMORY, NARROWEST, RADIUS, WIDEST, Pairs, decrement, direct, dot, learn
from bayesgmm.kernel.structure import FEW, begin_at
from bayesgmm.kernel.structure import numbers as needs
from bayesgmm.kernel.views import d1, d2, d3, i1

_walk = external(WALK["dd"])
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
# How a climb ended; the last is one that higher ones were preferred to.
CONVERGED, CLIMBING, COLLAPSED, LEFT = 0, 1, 2, 3
# Gradients per row from which quasi-Newton steps are tried, and below which nothing is left to gain.
NEAR, LEAST_GRADIENT = 0.05, 1e-8
# Steps that together gain so little of the tolerance lead nowhere: where rows lie in a plane, axes are anything.
_WINDOW, _NOTHING = 30, 1e-3
_EPS = 2.220446049250313e-16
# Sweeps over shared axes in one M-step, which need not be at its maximum to gain.
_SWEEPS = FEW


def function(name):
    """The ascents as a C function: n of them, over rows x and weights that move on from one to the next by a step.

    ``parts`` has K, D, F, the width of factors, and volume, shape and axes; ``given`` the tolerance, the least squared
    pivots (D,), and κ of a prior, with what else `places.Prior` holds. ``theta`` holds log π (K,), μ (K, D) and
    L (F, D, width) of each climb, and is climbed in place; unless ``begin`` is 0 it holds N (K,) and S (K, D, D) of
    each, whose M-step L is first. ``trial`` holds how many steps all climbs take first, how many of the highest go on
    where there are more, and of each climb whether it goes on anyhow. ``ends`` says how each ended and after how many
    steps; ``heights`` its log-likelihood and objective; ``history`` the objective at each of its steps.
    """

    def ascents(n_climbs, x, x_step, n, parts, weights, weights_step, most, given, begin, trial, theta, step, ends,
                heights, history):  # fmt: skip
        sides = i1(parts, (7,))
        k, d, n_factors, width = sides[0], sides[1], sides[2], sides[3]
        numbers = k + k * d + n_factors * d * width
        p = k + k * d + n_factors * (d * (d + 1) // 2 if width > 1 else d)
        sums = 64 + 8 * k * (1 + d + d * width)
        walking = plan.memory(k, d, n_factors, width, 8).bytes + 128
        floats = 4 * numbers + (4 + 2 * MEMORY) * p + 8 + 2 * MEMORY + 3 * k * d * d + 2 * k + 2 * d * d + needs(k, d)
        floats += d + d * d
        held = _malloc(sums + walking + 8 * floats + 64 + 128)
        memory = (held + 63) // 64 * 64
        work = memory + (sums + 63) // 64 * 64
        here, at = _place(work + (walking + 63) // 64 * 64, k, d, n_factors, width, p)
        there, at = _place(at, k, d, n_factors, width, p)
        first, second = d1(at, (p,)), d1(at + 8 * p, (p,))
        pairs, at = _pairs(at + 16 * p, p)
        room = Room(here, there, _shape(at, sides, d1(given + 8, (d,)), k, d), _prior(given + 8 + 8 * d, k, d), pairs,
                    first, second)  # fmt: skip
        climbs = Climbs(n_climbs, theta, step, numbers, begin, history, most, i1(ends, (2 * n_climbs,)),
                        d1(heights, (2 * n_climbs,)))  # fmt: skip
        ground = Ground(x, x_step, n, weights, weights_step, memory, work, d1(given, (1,))[0])
        _all(room, climbs, ground, i1(trial, (2 + n_climbs,)))
        _free(held)
        return 0

    return ascents


class Room(NamedTuple):
    """Room for one climb after another, with the structure of the covariances and the prior."""

    here: Place
    there: Place
    s: Shape
    prior: Prior
    pairs: Pairs
    first: np.ndarray  # (p,)
    second: np.ndarray  # (p,)


class Climbs(NamedTuple):
    """Climbs: how many, where they are, where they begin, and what became of them."""

    n: int
    theta: int
    step: int
    numbers: int
    begin: int
    history: int
    most: int
    ends: np.ndarray  # (2 n,)
    heights: np.ndarray  # (2 n,)


class Ground(NamedTuple):
    """The rows of all climbs, memory for passes over them, and the tolerance."""

    x: int
    x_step: int
    n: int
    weights: int
    weights_step: int
    memory: int
    work: int
    bound: float


@njit(**EXACT)
def _all(room, climbs, ground, trial):
    """All climbs some steps each, and the highest to the end; of those left behind, it is said."""
    some, keep, sure = trial[0], trial[1], trial[2:]
    some = some if climbs.n > keep else climbs.most
    _pool(room.s, _rows(ground, 0))
    for i in range(climbs.n):
        start = d1(climbs.theta + i * climbs.step, (climbs.numbers,))
        _copy(start, room.here.whole)
        climbs.ends[2 * i], climbs.ends[2 * i + 1] = COLLAPSED, 0
        if climbs.begin == 0 or _first(room.here, room.s, climbs.begin, i):
            _go(room, climbs, ground, i, some)
    if some >= climbs.most:
        return
    while True:
        best = -1
        for i in range(climbs.n):
            if climbs.ends[2 * i] == CLIMBING and sure[i] >= 0 and (keep > 0 or sure[i] > 0):
                if best < 0 or climbs.heights[2 * i + 1] > climbs.heights[2 * best + 1]:
                    best = i
        if best < 0:
            break
        keep -= 1
        sure[best] = -1
        _copy(d1(climbs.theta + best * climbs.step, (climbs.numbers,)), room.here.whole)
        _go(room, climbs, ground, best, climbs.most)
    for i in range(climbs.n):
        if climbs.ends[2 * i] == CLIMBING and sure[i] >= 0:
            climbs.ends[2 * i] = LEFT


@njit(**EXACT)
def _first(here, s, begin, i):
    """Factors by the M-step of a climb's statistics; False where a covariance collapses."""
    k, d = here.means.shape
    at = begin + 8 * i * k * (1 + d * d)
    counts, scatters = d1(at, (k,)), d3(at + 8 * k, (k, d, d))
    for j in range(k):
        if not counts[j] > 0.0:
            return False
        s.counts[j] = counts[j]
        for h in range(d):
            for m in range(d):
                s.b[j, h, m] = scatters[j, h, m]
    return structure(s, False, here.factors)


@njit(**EXACT)
def _go(room, climbs, ground, i, most):
    """Climb from the place that is in the room, up to so many steps in all, and say where it ended."""
    done, here, rows = climbs.ends[2 * i + 1], room.here, _rows(ground, i)
    if ground.x_step != 0 or ground.weights_step != 0:
        _pool(room.s, rows)
    path = d1(climbs.history + 8 * (i * (climbs.most + 1) + done), (climbs.most + 1 - done,))
    end, turns = _climb(here, room.there, room.s, room.prior, room.pairs, room.first, room.second, rows,
                        ground.bound, most - done, path)  # fmt: skip
    climbs.ends[2 * i], climbs.ends[2 * i + 1] = end, done + turns
    _copy(here.whole, d1(climbs.theta + i * climbs.step, (climbs.numbers,)))
    climbs.heights[2 * i], climbs.heights[2 * i + 1] = here.heights[0], here.heights[1]


@njit(**EXACT)
def _rows(ground, i):
    """Those of a climb."""
    weights = ground.weights + i * ground.weights_step if ground.weights != 0 else 0
    return Rows(ground.x + i * ground.x_step, ground.n, weights, ground.memory, ground.work)


@njit(**EXACT)
def _pool(s, rows):
    """The mean and the scatter of all rows, where a structure has room for them."""
    d = s.centre.shape[0]
    if d > 0:
        weights = d1(rows.weights, (rows.n if rows.weights != 0 else 0,))
        pool(d2(rows.x, (rows.n, d)), weights, _total(rows), s.centre, s.total)


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
        if turn >= _WINDOW and path[turn] - path[turn - _WINDOW] <= max(_NOTHING * bound, rounding):
            return CONVERGED, turn
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
    spare = rest + 16 * k + 16 * d * d
    later = spare + 8 * needs(k, d)
    # Second moments of single components need not be known where they share one covariance.
    pooled = d if k > 1 and sides[2] == 1 and sides[3] > 1 else 0
    return Shape(sides[4], sides[5], sides[6], d3(at, (k, d, d)), d1(rest, (k,)), d3(at + big, (k, d, d)),
                 d1(rest + 8 * k, (k,)), d3(at + 2 * big, (k, d, d)), d2(rest + 16 * k, (d, d)),
                 d2(rest + 16 * k + 8 * d * d, (d, d)), floor, spare, _SWEEPS, d1(later, (pooled,)),
                 d2(later + 8 * d, (pooled, pooled)))  # fmt: skip


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
    width, memory = here.factors.shape[2] if s.centre.shape[0] == 0 else 0, rows.memory
    m0, m1 = d1(memory + 64, (k,)), d2(memory + 64 + 8 * k, (k, d))
    m2, begin, likelihood = d3(memory + 64 + 8 * k * (1 + d), (k, d, width)), i1(memory, (3,)), d1(memory + 24, (1,))
    for i in range(k):
        m0[i] = 0.0
        for j in range(d):
            m1[i, j] = 0.0
            for h in range(width):
                m2[i, j, h] = 0.0
    begin[0], begin[1], begin[2], likelihood[0] = 0, 0, 0, 0.0
    _pass(here, rows, width)
    here.heights[0] = likelihood[0]
    here.heights[1] = likelihood[0]
    if prior.kappa > 0.0:
        here.heights[1] += penalised(here, s, prior)
    if not abs(here.heights[1]) < math.inf or not image(here, s, prior, m0, m1, m2):
        return False
    toward(here, here.next_logs, here.next_means, here.next_factors, total, s.square, here.residual)
    return True


@njit(**EXACT)
def _pass(here, rows, second):
    """A pass over the rows, with second moments or without."""
    k, d = here.means.shape
    n_factors, width, memory = here.factors.shape[0], here.factors.shape[2], rows.memory
    at, m2 = here.whole.ctypes.data, memory + 64 + 8 * k * (1 + d) if second > 0 else 0
    _walk(memory, rows.x, 8 * d, 8, rows.n, k, d, n_factors, width, at, at + 8 * k, at + 8 * k * (1 + d),
          rows.weights, rows.n if rows.weights != 0 else 0, assign.SOFT, memory + 8, 0, 0, 0, 0,
          1, memory + 24, memory + 64, memory + 64 + 8 * k, m2, rows.work)  # fmt: skip


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
