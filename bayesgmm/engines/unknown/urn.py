"""Labels drawn one row after another by a Pólya urn, for processes without end, in compiled code.

Given the labels of all other rows, row n goes to a cluster of N_k others with a probability ∝ (N_k − σ) N(x_n | k), and
to a new one ∝ (α + σK₊) ∫ N(x_n | θ) p(θ) dθ. The integral is never done: M components drawn from the prior stand ready
in a pool and share α + σK₊ alike (Neal 2000, algorithm 8). They stay there until they are taken; the component of a
cluster that loses its last row takes the place of one of them (Favaro & Teh 2013). Nothing is truncated: the partition
has the posterior of the infinite mixture.
"""

from __future__ import annotations

import math

from numba import njit, types

from bayesgmm.engines.sweeps import variates
from bayesgmm.engines.unknown import process
from bayesgmm.engines.unknown.state import (
    FULL,
    OUTSIDE,
    POOL,
    clear,
    draw_filled,
    draw_fresh,
    filled_first,
    normalise,
    part,
    pass_rows,
)
from bayesgmm.kernel import assign
from bayesgmm.kernel.labelled import add_labelled
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d2

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
# Prior draws made at once, and rows looked at together.
SPARES, _BLOCK = 4, 256
# Components that a kept draw has beside its clusters, at most, and the weight that may be left to the last of them.
MOST_STICKS, LEAST_STICK = 20, 1e-4


@njit(**EXACT)
def sweep(law, is_wanted, t, s):
    """One sweep; where it is wanted, with weights, other components and the log-likelihood."""
    header, scalars = s.header, s.scalars
    for row in range(s.labels.shape[0]):
        s.before[row] = s.labels[row]
    if header[1] + POOL + SPARES + MOST_STICKS > t.means.shape[0] or not _turn(t, s):
        for row in range(s.labels.shape[0]):
            s.labels[row] = s.before[row]
        header[3] = FULL
        return
    filled = s.count[0]
    header[1] = filled
    clear(part(t, 0, filled))
    add_labelled(s.rows, s.labels, t.means, t.factors, t.gap[0], t.m0, t.m1, t.m2)
    draw_filled(filled, t, s)
    scalars[0] = process.draw_alpha(law, 0, filled, scalars[0], scalars[1], t.m0, s.stream)
    scalars[1] = process.draw_sigma(law, filled, scalars[0], scalars[1], t.m0, s.stream)
    if is_wanted:
        _complete(filled, t, s)


@njit(**EXACT)
def _turn(t, s):
    """Draw the labels of all rows; False where there are too few slots. Clusters come first."""
    filled, n, slots = s.header[1], s.rows.shape[0], t.means.shape[0]
    for k in range(slots):
        s.counts[k], t.log_weights[k] = 0.0, 0.0
    for row in range(n):
        s.counts[s.labels[row]] += 1.0
    for j in range(POOL):
        s.pool[j] = -1
    s.count[0], s.count[1] = filled, 0
    top, row = filled, 0
    memory = _malloc(8 * _BLOCK * slots)
    while row < n:
        if s.count[1] == 0:
            wanted = (POOL if row == 0 else 0) + SPARES
            if top + wanted > slots:
                _free(memory)
                return False
            _stock(top, top + wanted, t, s)
            top += wanted
        last = min(row + _BLOCK, n)
        pass_rows(row, last - row, top, assign.SOFT, memory, last - row, t, s)
        resp = d2(memory, (last - row, top))
        row = take_rows(row, last, resp, s.labels, s.counts[:top], s.pool, s.spares, s.count, s.scalars[0],
                        s.scalars[1], s.stream)  # fmt: skip
    _free(memory)
    filled_first(s.counts[:top], t, s.place)
    for row in range(n):
        s.labels[row] = s.place[s.labels[row]]
    return True


@njit(**EXACT)
def _stock(first, last, t, s):
    """Slots with prior draws: into the pool where it lacks one, the others among the spares."""
    draw_fresh(first, last, t, s)
    for k in range(first, last):
        s.spares[s.count[1]] = k
        s.count[1] += 1
    for j in range(POOL):
        if s.pool[j] < 0:
            s.count[1] -= 1
            s.pool[j] = s.spares[s.count[1]]


@njit(**EXACT)
def _complete(filled, t, s):
    """Weights of the clusters, and by stick-breaking of others, the last of which takes what is left (Pitman 1996)."""
    alpha, sigma, logs = s.scalars[0], s.scalars[1], t.log_weights
    for i in range(filled):
        logs[i] = t.m0[i] - sigma
    logs[filled] = alpha + sigma * filled
    variates.log_dirichlet(logs[: filled + 1], s.stream)
    normalise(logs[: filled + 1])
    k, rest = filled, logs[filled]
    while k < filled + MOST_STICKS - 1 and rest > math.log(LEAST_STICK):
        one = variates.log_gamma(1.0 - sigma, s.stream)
        other = variates.log_gamma(alpha + sigma * (k + 1), s.stream)
        logs[k] = rest - math.log1p(math.exp(other - one))
        rest -= math.log1p(math.exp(one - other))
        k += 1
    logs[k] = rest
    draw_fresh(filled, k + 1, t, s)
    s.header[0], s.scalars[3] = k + 1, math.exp(rest)
    s.scalars[2] = pass_rows(0, s.rows.shape[0], k + 1, assign.SOFT, 0, 0, t, s)
    if not math.isfinite(s.scalars[2]):
        s.header[3] = OUTSIDE


@njit(**EXACT)
def take_rows(first, last, resp, labels, counts, pool, spares, numbers, alpha, sigma, stream):
    """Draw labels of rows first … last − 1; return the row after the last one, earlier where no spare was left.

    Parameters
    ----------
    resp : (last − first, slots)
        Densities of the rows under all slots, up to a factor a row.
    labels : (N,)
        A row's slot.
    counts : (slots,)
        Rows of each slot.
    pool : (POOL,)
        Slots without rows that may be taken; −1 where one was taken and nothing has come in its place yet.
    spares : (slots,)
        Slots of prior draws that no row has seen yet, of which there are numbers[1].
    numbers : (2,)
        Clusters, and spares.
    """
    for row in range(first, last):
        density, own, put_aside = resp[row - first], labels[row], -1
        counts[own] -= 1.0
        place = 0
        if counts[own] == 0.0:
            numbers[0] -= 1
            place = int(variates.uniform(stream) * POOL)
            put_aside, pool[place] = pool[place], own
        chosen = _draw(density, counts, pool, own, alpha + sigma * numbers[0], sigma, stream)
        if counts[chosen] == 0.0:
            numbers[0] += 1
            place = _find(pool, chosen)
            pool[place] = put_aside
            put_aside = -1
        counts[chosen] += 1.0
        labels[row] = chosen
        if put_aside >= 0:
            spares[numbers[1]] = put_aside
            numbers[1] += 1
        elif pool[place] < 0:
            if numbers[1] == 0:
                return row + 1
            numbers[1] -= 1
            pool[place] = spares[numbers[1]]
    return last


@njit(**EXACT)
def _draw(density, counts, pool, own, mass, sigma, stream):
    """A slot by its share; the row's own, should all densities vanish."""
    total = 0.0
    for k in range(counts.shape[0]):
        total += (counts[k] - sigma) * density[k] if counts[k] > 0.0 else 0.0
    for j in range(POOL):
        total += mass / POOL * density[pool[j]]
    left = variates.uniform(stream) * total
    chosen = own
    for k in range(counts.shape[0]):
        share = (counts[k] - sigma) * density[k] if counts[k] > 0.0 else 0.0
        if share > 0.0:
            chosen = k
            left -= share
            if left < 0.0:
                return chosen
    for j in range(POOL):
        share = mass / POOL * density[pool[j]]
        if share > 0.0:
            chosen = pool[j]
            left -= share
            if left < 0.0:
                return chosen
    return chosen


@njit(**EXACT)
def _find(pool, slot):
    for j in range(POOL):
        if pool[j] == slot:
            return j
    return -1
