"""A finite process: a sweep of the telescoping sampler (Frühwirth-Schnatter, Malsiner-Walli & Grün 2021), compiled.

Labels given K components; the parameters of those that have rows, and what stands above them, given labels; now and
then, a cluster is split, or two are merged; K and α given the partition alone; then weights, and the parameters of the
components without rows from their prior.
"""

from __future__ import annotations

import math

from numba import njit, types

from bayesgmm.engines.sweeps import variates
from bayesgmm.engines.unknown import process, split, state
from bayesgmm.engines.unknown.state import Place
from bayesgmm.kernel import assign
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))


@njit(**EXACT)
def sweep(s, law, is_to_move):
    """One sweep, with a move of whole clusters in it or not."""
    at = state.standing(s)
    state.draw_filled(s, at.header[1])
    if is_to_move:
        split.attempt(s, law)
    filled, alpha = at.header[1], at.scalars[0]
    clusters, table = state.part(s, 0, filled), d1(s[Place.TABLE], (s[Place.MOST],))
    k = process.draw_number(law, clusters.m0, alpha, table, at.stream)
    alpha = process.draw_alpha(law, k, clusters.m0, alpha, 0.0, at.stream)
    if k > filled:
        state.draw_fresh(s, filled, k)
    t = state.part(s, 0, k)
    for i in range(k):
        t.log_weights[i] = t.m0[i] + process.gamma_of(law, k, alpha)
    variates.log_dirichlet(t.log_weights, at.stream)
    state.normalise(t.log_weights)
    at.header[0], at.scalars[0] = k, alpha
    allocate(s)


@njit(**EXACT)
def allocate(s):
    """Draw all labels given K components; those that have rows come first."""
    at, n, k = state.standing(s), s[Place.N], state.standing(s).header[0]
    labels = i1(s[Place.LABELS], (n,))
    memory = _malloc(8 * n * k + 8)
    at.scalars[2] = state.pass_rows(s, 0, s[Place.N], k, assign.DRAW, memory, n)
    at.header[1] = state.filled_first(s, state.part(s, 0, k).m0)
    place, resp = i1(s[Place.PLACE], (k,)), d2(memory, (n, k))
    for row in range(n):
        i = 0
        while i < k - 1 and resp[row, i] == 0.0:
            i += 1
        labels[row] = place[i]
    _free(memory)
    if not math.isfinite(at.scalars[2]):
        at.header[3] = state.OUTSIDE
