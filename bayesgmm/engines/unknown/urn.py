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
from bayesgmm.engines.unknown import process, split, state
from bayesgmm.engines.unknown.state import POOL, Place
from bayesgmm.kernel import assign
from bayesgmm.kernel.labelled import add_labelled
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
# Prior draws made at once, and rows looked at together.
SPARES, _BLOCK = 4, 256
# Components that a kept draw has beside its clusters, at most, and the weight that may be left to the last of them.
MOST_STICKS, LEAST_STICK = 20, 1e-4


@njit(**EXACT)
def sweep(s, law, is_wanted, is_to_move):
    """One sweep, with a move of whole clusters in it or not; where it is wanted, with weights, other components and the
    log-likelihood."""
    at, n = state.standing(s), s[Place.N]
    labels, before = i1(s[Place.LABELS], (n,)), i1(s[Place.BEFORE], (n,))
    for row in range(n):
        before[row] = labels[row]
    if at.header[1] + POOL + SPARES + MOST_STICKS > s[Place.SLOTS] or not _turn(s, labels):
        for row in range(n):
            labels[row] = before[row]
        at.header[3] = state.FULL
        return
    filled = i1(s[Place.COUNT], (2,))[0]
    at.header[1] = filled
    t = state.part(s, 0, filled)
    state.clear(t)
    x, z = d2(s[Place.ROWS], (n, s[Place.D])), d1(s[Place.POINT], (s[Place.D],))
    add_labelled(x, labels, t.means, t.factors, z, t.m0, t.m1, t.m2)
    state.draw_filled(s, filled)
    at.scalars[0] = process.draw_alpha(law, 1, t.m0, at.scalars[0], at.scalars[1], at.stream)
    at.scalars[1] = process.draw_sigma(law, t.m0, at.scalars[0], at.scalars[1], at.stream)
    if is_to_move:
        split.attempt(s, law)
    if is_wanted:
        _complete(s, at.header[1])


@njit(**EXACT)
def _turn(s, labels):
    """Draw the labels of all rows; False where there are too few slots. Clusters come first."""
    at, n, slots = state.standing(s), s[Place.N], s[Place.SLOTS]
    counts, logs = d1(s[Place.COUNTS], (slots,)), d1(s[Place.LOGS], (slots,))
    pool, spares, numbers = i1(s[Place.POOL], (POOL,)), i1(s[Place.SPARES], (slots,)), i1(s[Place.COUNT], (2,))
    for k in range(slots):
        counts[k], logs[k] = 0.0, 0.0
    for row in range(n):
        counts[labels[row]] += 1.0
    for j in range(POOL):
        pool[j] = -1
    numbers[0], numbers[1] = at.header[1], 0
    top, row, memory = at.header[1], 0, _malloc(8 * _BLOCK * slots)
    while row < n:
        if numbers[1] == 0:
            wanted = SPARES + (POOL if row == 0 else 0)
            if top + wanted > slots:
                _free(memory)
                return False
            state.draw_fresh(s, top, top + wanted)
            _stock(top, top + wanted, pool, spares, numbers)
            top += wanted
        last = min(row + _BLOCK, n)
        state.pass_rows(s, row, last - row, top, assign.SOFT, memory, last - row)
        resp = d2(memory, (last - row, top))
        row = take_rows(row, last, resp, labels, counts[:top], pool, spares, numbers, at.scalars[0], at.scalars[1],
                        at.stream)  # fmt: skip
    _free(memory)
    if numbers[0] + 1 + MOST_STICKS > slots:  # what a move and a kept draw may add
        return False
    state.filled_first(s, counts[:top])
    place = i1(s[Place.PLACE], (slots,))
    for row in range(n):
        labels[row] = place[labels[row]]
    return True


@njit(**EXACT)
def _stock(first, last, pool, spares, numbers):
    """Slots with prior draws: into the pool where it lacks one, the others among the spares."""
    for k in range(first, last):
        spares[numbers[1]] = k
        numbers[1] += 1
    for j in range(POOL):
        if pool[j] < 0:
            numbers[1] -= 1
            pool[j] = spares[numbers[1]]


@njit(**EXACT)
def _complete(s, filled):
    """Weights of the clusters, and by stick-breaking of others, the last of which takes what is left (Pitman 1996)."""
    at, t = state.standing(s), state.part(s, 0, filled + MOST_STICKS)
    logs, stream = t.log_weights, at.stream
    alpha, sigma = at.scalars[0], at.scalars[1]
    for i in range(filled):
        logs[i] = t.m0[i] - sigma
    logs[filled] = alpha + sigma * filled
    variates.log_dirichlet(logs[: filled + 1], stream)
    state.normalise(logs[: filled + 1])
    k, rest = filled, logs[filled]
    while k < filled + MOST_STICKS - 1 and rest > math.log(LEAST_STICK):
        one = variates.log_gamma(1.0 - sigma, stream)
        other = variates.log_gamma(alpha + sigma * (k + 1), stream)
        logs[k] = rest - math.log1p(math.exp(other - one))
        rest -= math.log1p(math.exp(one - other))
        k += 1
    logs[k] = rest
    state.draw_fresh(s, filled, k + 1)
    at.header[0], at.scalars[3] = k + 1, math.exp(rest)
    at.scalars[2] = state.pass_rows(s, 0, s[Place.N], k + 1, assign.SOFT, 0, 0)
    if not math.isfinite(at.scalars[2]):
        at.header[3] = state.OUTSIDE


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
