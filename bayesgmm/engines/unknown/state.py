"""Where a chain stands, what it works in, and the steps that both kinds of sweep are made of, in compiled code."""

from __future__ import annotations

import math
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


class State(NamedTuple):
    """A chain, beside its turn, which has the parameters of all components and the moments of their rows."""

    rows: np.ndarray  # (N, D)
    labels: np.ndarray  # (N,) integers; of a process without end
    header: np.ndarray  # (4,) integers: K, K₊, whether it has begun, why it ended
    scalars: np.ndarray  # (4,): α, σ, the log-likelihood, what the last component took of the rest
    hyper: np.ndarray  # (D, D)
    kind: int  # of the prior
    constants: np.ndarray
    # What it works in:
    before: np.ndarray  # (N,): the labels at the beginning of a sweep
    place: np.ndarray  # (slots,) integers
    pool: np.ndarray  # (POOL,) integers
    spares: np.ndarray  # (slots,) integers
    count: np.ndarray  # (2,) integers: clusters, spares
    counts: np.ndarray  # (slots,)
    stream: np.ndarray  # (3,) unsigned
    point: np.ndarray  # (slots · D,)
    table: np.ndarray  # (most K,)
    at: Addresses


class Addresses(NamedTuple):
    """What a walk is told."""

    rows: int
    logs: int
    means: int
    factors: int
    m0: int
    m1: int
    m2: int
    stream: int
    counter: int
    likelihood: int
    walk: int


class Space(NamedTuple):
    """What `components` needs beside a turn."""

    stream: np.ndarray
    point: np.ndarray


@njit(**EXACT)
def room(p):
    """How many bytes `state` and `turn` need beside what `chain.Chain` keeps."""
    n, d, width, slots, most = p[1], p[2], p[3], p[4], p[5]
    return blocks.places(slots, d, slots, width).walk + _walk_bytes(slots, d, width) + 8 * (
        n + 4 * slots + POOL + 8 + slots * d + most) + 256  # fmt: skip


@njit(**EXACT)
def _walk_bytes(slots, d, width):
    """The most that a walk over any number of components up to all slots needs."""
    most = 0
    for k in range(1, slots + 1):
        most = max(most, plan.memory(k, d, k, width, 8).bytes)
    return -(-most // 64) * 64


@njit(**EXACT)
def turn(p, memory):
    """A `blocks.Turn` of all slots; ``memory`` is at the beginning of a cache line."""
    d, width, slots = p[2], p[3], p[4]
    t = blocks.turn(memory, slots, d, slots, width)
    return blocks.Turn(
        d1(p[9], (slots,)), d2(p[10], (slots, d)), d3(p[11], (slots, d, width)), d1(p[12], (slots,)),
        d2(p[13], (slots, d)), d3(p[14], (slots, d, width)), t.gap, t.a, t.inverse, t.work,
    )  # fmt: skip


@njit(**EXACT)
def state(p, memory):
    """The rest, in the same memory."""
    n, d, width, slots, most = p[1], p[2], p[3], p[4], p[5]
    walk = memory + blocks.places(slots, d, slots, width).walk
    before = walk + _walk_bytes(slots, d, width)
    place = before + 8 * n
    pool = place + 8 * slots
    spares = pool + 8 * POOL
    count = spares + 8 * slots
    counts = count + 16
    stream = counts + 8 * slots
    counter = stream + 24
    likelihood = counter + 8
    point = likelihood + 8
    table = point + 8 * slots * d
    at = Addresses(p[0], p[9], p[10], p[11], p[12], p[13], p[14], stream, counter, likelihood, walk)
    return State(
        d2(p[0], (n, d)), i1(p[15], (n,)), i1(p[16], (4,)), d1(p[17], (4,)), d2(p[18], (d, d)), p[6],
        d1(p[7], (p[8],)), i1(before, (n,)), i1(place, (slots,)), i1(pool, (POOL,)), i1(spares, (slots,)),
        i1(count, (2,)), d1(counts, (slots,)), u1(stream, (3,)), d1(point, (slots * d,)), d1(table, (most,)), at,
    )  # fmt: skip


@njit(**EXACT)
def part(t, first, last):
    """Components first … last − 1 of a turn."""
    return blocks.Turn(
        t.log_weights[first:last], t.means[first:last], t.factors[first:last], t.m0[first:last], t.m1[first:last],
        t.m2[first:last], t.gap[first:last], t.a[first:last], t.inverse[first:last], t.work,
    )  # fmt: skip


@njit(**EXACT)
def draw_filled(filled, t, s):
    """Parameters of the clusters given the moments of their rows, and what stands above them."""
    d = t.means.shape[1]
    clusters, space = part(t, 0, filled), Space(s.stream, s.point[: filled * d])
    components.draw(s.kind, s.constants, s.hyper, clusters, space)
    components.draw_above(s.kind, s.constants, s.hyper, clusters, space)


@njit(**EXACT)
def draw_fresh(first, last, t, s):
    """Parameters of components first … last − 1 from their prior."""
    d = t.means.shape[1]
    fresh = part(t, first, last)
    clear(fresh)
    for k in range(last - first):
        for i in range(d):
            fresh.means[k, i] = 0.0
            for j in range(fresh.factors.shape[2]):
                fresh.factors[k, i, j] = 1.0 if i == j or fresh.factors.shape[2] == 1 else 0.0
    components.draw(s.kind, s.constants, s.hyper, fresh, Space(s.stream, s.point[: (last - first) * d]))


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
def pass_rows(first, n, k, how, resp, n_resp, t, s):
    """A walk over n rows from the first on and over k components: their moments, and the log-likelihood."""
    d, width, at = t.means.shape[1], t.factors.shape[2], s.at
    counter, likelihood = i1(at.counter, (1,)), d1(at.likelihood, (1,))
    clear(part(t, 0, k))
    counter[0], likelihood[0] = 0, 0.0
    _walk(at.counter, at.rows + 8 * d * first, 8 * d, 8, n, k, d, k, width, at.logs, at.means, at.factors, 0, 0, how,
          at.stream, 0, 0, resp, n_resp, 1, at.likelihood, at.m0, at.m1, at.m2, at.walk)  # fmt: skip
    return likelihood[0]


@njit(**EXACT)
def normalise(logs):
    """Logarithms of weights that sum to one."""
    most, total = -math.inf, 0.0
    for i in range(logs.shape[0]):
        most = max(most, logs[i])
    for i in range(logs.shape[0]):
        total += math.exp(logs[i] - most)
    for i in range(logs.shape[0]):
        logs[i] -= most + math.log(total)


@njit(**EXACT)
def filled_first(counts, t, place):
    """Bring components that have rows to the front; ``place`` says where each went. Returns how many there are.

    ``counts`` may be the turn's own m₀.
    """
    filled = 0
    for k in range(counts.shape[0]):
        if counts[k] > 0.0:
            place[k] = filled
            filled += 1
    at = 0
    for k in range(counts.shape[0]):
        if counts[k] > 0.0:
            if k > at:
                counts[at], counts[k] = counts[k], 0.0
                _move(k, at, t)
            at += 1
    return filled


@njit(**EXACT)
def _move(k, to, t):
    """Component k, but for its count, in the place of one without rows, which takes its place."""
    t.log_weights[to], t.log_weights[k] = t.log_weights[k], t.log_weights[to]
    for i in range(t.means.shape[1]):
        t.means[to, i], t.means[k, i] = t.means[k, i], t.means[to, i]
        t.m1[to, i] = t.m1[k, i]
        for j in range(t.factors.shape[2]):
            t.factors[to, i, j], t.factors[k, i, j] = t.factors[k, i, j], t.factors[to, i, j]
            t.m2[to, i, j] = t.m2[k, i, j]
