"""A cluster split in two, or two merged, at one go: what single labels do not get to. In compiled code.

Two rows i and j are picked. If they are of one cluster, it is proposed to split it so that they part; else, to merge
theirs. Both look at the same rows, those of the one cluster or of the two, and at the same pair of Gaussians, to which
EM leads from the rows nearer to i and nearer to j. A split draws the side of every other row by its responsibility.
The probability q of these sides is what a merger is judged by too, so that each is the other's reverse, as in Jain &
Neal (2004), whose restricted sweeps the pair stands in for.

Weights, K and covariances are summed out (`cluster`): with C′ for the split one, a split is accepted with the
probability min(1, r/q), r = p(C′) Π m N / (p(C) Π m N), a merger with min(1, q/r).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, types

from bayesgmm.engines.sweeps import variates
from bayesgmm.engines.unknown import cluster, pair, process, state
from bayesgmm.engines.unknown.state import Place
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, d3, i1

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
#: One sweep in so many tries a move.
EVERY = 2


class Work(NamedTuple):
    """Memory of a move."""

    members: np.ndarray  # (N,) integers: rows of the clusters that it is about
    sides: np.ndarray  # (N,) integers, of each of these rows: 1 for i's, 0 for j's
    odds: np.ndarray  # (N,): the log odds of 1
    counts: np.ndarray  # (slots + 1,)
    z: np.ndarray  # (D,)
    scratch: np.ndarray  # (2, D, D)
    whole: cluster.Side
    one: cluster.Side
    other: cluster.Side


@njit(**EXACT)
def attempt(s, law):
    """One move, accepted or not; labels, parameters and counts of the clusters follow."""
    n, d, slots, stream = s[Place.N], s[Place.D], s[Place.SLOTS], state.standing(s).stream
    if n < 2:
        return
    size = 2 * (d + d * d)
    memory = _malloc(8 * (3 * n + slots + 1 + 5 * size))
    at = memory + 8 * (3 * n + slots + 1)
    form = cluster.form_of(s, d1(at, (d,)), d2(at + 8 * d, (d, d)))
    rest = at + 8 * size
    work = Work(
        i1(memory, (n,)), i1(memory + 8 * n, (n,)), d1(memory + 16 * n, (n,)), d1(memory + 24 * n, (slots + 1,)),
        d1(at + 8 * (d + d * d), (d,)), d3(rest + 24 * size, (2, d, d)),
        cluster.side_at(rest, d), cluster.side_at(rest + 8 * size, d), cluster.side_at(rest + 16 * size, d),
    )  # fmt: skip
    i = int(variates.uniform(stream) * n)
    j = int(variates.uniform(stream) * (n - 1))
    _try(s, law, i, j + 1 if j >= i else j, form, work)
    _free(memory)


@njit(**EXACT)
def _try(s, law, i, j, form, work):
    """Propose, judge, and, if it is to be, carry out."""
    n, at = s[Place.N], state.standing(s)
    labels, x = i1(s[Place.LABELS], (n,)), d2(s[Place.ROWS], (n, s[Place.D]))
    first, second = labels[i], labels[j]
    m = _gather(labels, first, second, work)
    members, sides, is_split = work.members[:m], work.sides[:m], first == second
    pair.fit(x, members, i, j, form, work.one, work.other, work.odds, work.z)
    log_q = pair.divide(members, i, j, is_split, sides, work.odds, at.stream)
    sizes = (
        cluster.moments(x, members, sides, 1, work.one),
        cluster.moments(x, members, sides, 0, work.other),
        cluster.moments(x, members, sides, -1, work.whole),
    )
    gain = cluster.posterior(sizes[0], form, work.one, work.z) + cluster.posterior(sizes[1], form, work.other, work.z)
    gain -= cluster.posterior(sizes[2], form, work.whole, work.z)
    ratio = gain + _of_split(s, law, first, second, sizes, form, work) - log_q
    if not math.log(1.0 - variates.uniform(at.stream)) < (ratio if is_split else -ratio):
        return
    filled = at.header[1]
    if is_split:
        _enter(s, first, sizes[0], work.one)
        _enter(s, filled, sizes[1], work.other)
        at.header[1] = filled + 1
    else:
        _enter(s, first, sizes[2], work.whole)
    for r in range(m):
        labels[members[r]] = filled if is_split and sides[r] == 0 else first
    if not is_split:
        _close(s, second, labels)


@njit(**EXACT)
def _gather(labels, first, second, work):
    """The rows of one cluster or two, and which of the two each is of; returns how many."""
    m = 0
    for row in range(labels.shape[0]):
        if labels[row] == first or labels[row] == second:
            work.members[m] = row
            work.sides[m] = 1 if labels[row] == first else 0
            m += 1
    return m


@njit(**EXACT)
def _of_split(s, law, first, second, sizes, form, work):
    """What the prior of partitions, and that of means, say of two clusters against one; draws what is proposed."""
    at = state.standing(s)
    filled, alpha, sigma, z = at.header[1], at.scalars[0], at.scalars[1], work.z
    t, table, counts = state.part(s, 0, filled), d1(s[Place.TABLE], (s[Place.MOST],)), work.counts
    for k in range(filled):
        counts[k] = t.m0[k]
    now = process.log_partition(law, counts[:filled], alpha, sigma, table)
    if first == second:
        counts[first], counts[filled] = sizes[0], sizes[1]
        gain = process.log_partition(law, counts[: filled + 1], alpha, sigma, table) - now
        cluster.draw(sizes[0], form, work.one, z, work.scratch, at.stream)
        cluster.draw(sizes[1], form, work.other, z, work.scratch, at.stream)
        of_means = cluster.of_mean(work.one.at, form, z) + cluster.of_mean(work.other.at, form, z)
        return gain + of_means - cluster.of_mean(t.means[first], form, z)
    counts[first] = sizes[2]
    counts[second] = counts[filled - 1]  # the last cluster takes its place
    gain = now - process.log_partition(law, counts[: filled - 1], alpha, sigma, table)
    cluster.draw(sizes[2], form, work.whole, z, work.scratch, at.stream)
    of_means = cluster.of_mean(t.means[first], form, z) + cluster.of_mean(t.means[second], form, z)
    return gain + of_means - cluster.of_mean(work.whole.at, form, z)


@njit(**EXACT)
def _enter(s, k, n, side):
    """A cluster's parameters and its number of rows into slot k."""
    t = state.part(s, k, k + 1)
    t.m0[0] = n
    for a in range(t.means.shape[1]):
        t.means[0, a] = side.at[a]
        for b in range(t.factors.shape[2]):
            t.factors[0, a, b] = side.factor[a, b if t.factors.shape[2] > 1 else a]


@njit(**EXACT)
def _close(s, k, labels):
    """Slot k is free: the last cluster takes it."""
    at = state.standing(s)
    last = at.header[1] - 1
    at.header[1] = last
    if k == last:
        return
    t = state.part(s, 0, last + 1)
    t.m0[k], t.log_weights[k] = t.m0[last], t.log_weights[last]
    for a in range(t.means.shape[1]):
        t.means[k, a] = t.means[last, a]
        for b in range(t.factors.shape[2]):
            t.factors[k, a, b] = t.factors[last, a, b]
    for row in range(labels.shape[0]):
        if labels[row] == last:
            labels[row] = k
