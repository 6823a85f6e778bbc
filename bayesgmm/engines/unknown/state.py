"""Where a chain stands, what it works in, and the steps that both kinds of sweep are made of, in compiled code.

A chain ``s`` is an array of sizes and addresses, of which `Place` says what stands where: compiled code that hands on
one array is small, and is compiled sooner than one that hands on thirty.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit

from bayesgmm.engines.density import blocks
from bayesgmm.engines.unknown import components
from bayesgmm.kernel import plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import WALK
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, d3, i1, u1

_walk = external(WALK["dd"])

#: Why sweeps ended before their number: they did not; there are more components than slots; a number left double
#: precision; the draws' parameters fill their room.
DONE, FULL, OUTSIDE, BRIMMING = range(4)
#: Components of the pool of `urn`.
POOL = 4


class Place(IntEnum):
    """Where a chain has its sizes, what `chain.Chain` keeps from call to call, and what a call works in."""

    N, D, WIDTH, SLOTS, MOST, KIND, N_CONSTANTS = range(7)
    ROWS = 7  # (N, D)
    CONSTANTS = 8  # of the prior of components
    LAW = 9  # of the process, and log p(K) of K = 1 … MOST
    LOGS, MEANS, FACTORS, M0, M1, M2 = range(10, 16)  # parameters of all slots, and moments of their rows
    LABELS = 16  # (N,) integers: of a process without end
    HEADER = 17  # (4,) integers: K, K₊, whether it has begun, why it ended
    SCALARS = 18  # (4,): α, σ, the log-likelihood, what the last component took of the rest
    HYPER = 19  # (D, D)
    GAP, A, INVERSE, WORK, WALK = range(20, 25)  # as in `blocks.Turn`; the kernel's
    STREAM, COUNTER, LIKELIHOOD = range(25, 28)
    PLACE, SPARES, COUNTS = range(28, 31)  # (slots,): integers, integers, numbers
    POOL, COUNT = 31, 32  # (POOL,) and (2,) integers: the pool; clusters and spares
    BEFORE = 33  # (N,) integers: the labels at the beginning of a sweep
    POINT, TABLE = 34, 35  # (slots · D,), (MOST,)
    END = 36


@njit(**EXACT)
def room(s):
    """How many bytes a call works in, beginning at a cache line; ``s`` has its sizes."""
    return _lay_out(s, 0) + 64


@njit(**EXACT)
def enter(s, memory):
    """Lay out what a call works in; the memory is as long as `room` says."""
    _lay_out(s, -(-memory // 64) * 64)


@njit(**EXACT)
def _lay_out(s, memory):
    n, d, slots = s[Place.N], s[Place.D], s[Place.SLOTS]
    walk = 0
    for k in range(1, slots + 1):
        walk = max(walk, plan.memory(k, d, k, s[Place.WIDTH], 8).bytes)
    s[Place.WALK] = memory
    s[Place.GAP] = memory + -(-walk // 64) * 64
    s[Place.A] = s[Place.GAP] + 8 * slots * d
    s[Place.INVERSE] = s[Place.A] + 8 * slots * d * d
    s[Place.WORK] = s[Place.INVERSE] + 8 * slots * d * d
    s[Place.STREAM] = s[Place.WORK] + 16 * d * d
    s[Place.COUNTER] = s[Place.STREAM] + 24
    s[Place.LIKELIHOOD] = s[Place.COUNTER] + 8
    s[Place.PLACE] = s[Place.LIKELIHOOD] + 8
    s[Place.SPARES] = s[Place.PLACE] + 8 * slots
    s[Place.COUNTS] = s[Place.SPARES] + 8 * slots
    s[Place.POOL] = s[Place.COUNTS] + 8 * slots
    s[Place.COUNT] = s[Place.POOL] + 8 * POOL
    s[Place.BEFORE] = s[Place.COUNT] + 16
    s[Place.POINT] = s[Place.BEFORE] + 8 * n
    s[Place.TABLE] = s[Place.POINT] + 8 * slots * d
    return s[Place.TABLE] + 8 * s[Place.MOST]


# ---- views


class Standing(NamedTuple):
    """Where a chain stands, but for its components; and its random numbers."""

    header: np.ndarray
    scalars: np.ndarray
    hyper: np.ndarray
    stream: np.ndarray


@njit(**EXACT)
def standing(s):
    """A view of it."""
    d = s[Place.D]
    return Standing(
        i1(s[Place.HEADER], (4,)), d1(s[Place.SCALARS], (4,)), d2(s[Place.HYPER], (d, d)), u1(s[Place.STREAM], (3,))
    )


@njit(**EXACT)
def part(s, first, last):
    """Components first … last − 1 as a turn."""
    k, d, w = last - first, s[Place.D], s[Place.WIDTH]
    return blocks.Turn(
        d1(s[Place.LOGS] + 8 * first, (k,)),
        d2(s[Place.MEANS] + 8 * d * first, (k, d)),
        d3(s[Place.FACTORS] + 8 * d * w * first, (k, d, w)),
        d1(s[Place.M0] + 8 * first, (k,)),
        d2(s[Place.M1] + 8 * d * first, (k, d)),
        d3(s[Place.M2] + 8 * d * w * first, (k, d, w)),
        d2(s[Place.GAP] + 8 * d * first, (k, d)),
        d3(s[Place.A] + 8 * d * d * first, (k, d, d)),
        d3(s[Place.INVERSE] + 8 * d * d * first, (k, d, d)),
        d3(s[Place.WORK], (2, d, d)),
    )


# ---- steps


@njit(**EXACT)
def draw_filled(s, filled):
    """Parameters of the clusters given the moments of their rows, and what stands above them."""
    c, t = d1(s[Place.CONSTANTS], (s[Place.N_CONSTANTS],)), part(s, 0, filled)
    at, point = standing(s), d1(s[Place.POINT], (filled * s[Place.D],))
    components.draw(s[Place.KIND], c, at.hyper, t, components.Space(at.stream, point))
    components.draw_above(s[Place.KIND], c, at.hyper, t, at.stream)


@njit(**EXACT)
def draw_fresh(s, first, last):
    """Parameters of components first … last − 1 from their prior: given no rows."""
    c, t = d1(s[Place.CONSTANTS], (s[Place.N_CONSTANTS],)), part(s, first, last)
    clear(t)
    for k in range(last - first):
        for i in range(t.means.shape[1]):
            t.means[k, i] = 0.0
            for j in range(t.factors.shape[2]):
                t.factors[k, i, j] = 1.0 if i == j or t.factors.shape[2] == 1 else 0.0
    at, point = standing(s), d1(s[Place.POINT], ((last - first) * s[Place.D],))
    components.draw(s[Place.KIND], c, at.hyper, t, components.Space(at.stream, point))


@njit(**EXACT)
def clear(t):
    """No moments."""
    for k in range(t.m0.shape[0]):
        t.m0[k] = 0.0
        for i in range(t.m1.shape[1]):
            t.m1[k, i] = 0.0
            for j in range(t.m2.shape[2]):
                t.m2[k, i, j] = 0.0


@njit(**EXACT)
def pass_rows(s, first, n, k, how, resp, n_resp):
    """A walk over n rows from the first on and over k components: their moments, and the log-likelihood."""
    d, counter, likelihood = s[Place.D], i1(s[Place.COUNTER], (1,)), d1(s[Place.LIKELIHOOD], (1,))
    clear(part(s, 0, k))
    counter[0], likelihood[0] = 0, 0.0
    _walk(s[Place.COUNTER], s[Place.ROWS] + 8 * d * first, 8 * d, 8, n, k, d, k, s[Place.WIDTH], s[Place.LOGS],
          s[Place.MEANS], s[Place.FACTORS], 0, 0, how, s[Place.STREAM], 0, 0, resp, n_resp, 1, s[Place.LIKELIHOOD],
          s[Place.M0], s[Place.M1], s[Place.M2], s[Place.WALK])  # fmt: skip
    return likelihood[0]


@njit(**EXACT)
def normalise(w):
    """Logarithms of weights that sum to one."""
    most, total = -math.inf, 0.0
    for i in range(w.shape[0]):
        most = max(most, w[i])
    for i in range(w.shape[0]):
        total += math.exp(w[i] - most)
    for i in range(w.shape[0]):
        w[i] -= most + math.log(total)


@njit(**EXACT)
def filled_first(s, counts):
    """Bring components that have rows to the front; PLACE says where each went. Returns how many there are.

    ``counts`` has the rows of each component that there is; it may be the turn's own m₀.
    """
    place, t, filled = i1(s[Place.PLACE], (counts.shape[0],)), part(s, 0, counts.shape[0]), 0
    for k in range(counts.shape[0]):
        if counts[k] > 0.0:
            place[k] = filled
            if k > filled:
                counts[filled], counts[k] = counts[k], 0.0
                _swap(k, filled, t)
            filled += 1
    return filled


@njit(**EXACT)
def _swap(k, other, t):
    """Exchange the parameters of two components, of which the second has no rows, and hand it the moments."""
    t.log_weights[other], t.log_weights[k] = t.log_weights[k], t.log_weights[other]
    for i in range(t.means.shape[1]):
        t.means[other, i], t.means[k, i] = t.means[k, i], t.means[other, i]
        t.m1[other, i] = t.m1[k, i]
        for j in range(t.factors.shape[2]):
            t.factors[other, i, j], t.factors[k, i, j] = t.factors[k, i, j], t.factors[other, i, j]
            t.m2[other, i, j] = t.m2[k, i, j]
