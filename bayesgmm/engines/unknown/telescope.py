"""A finite process: a sweep of the telescoping sampler (Frühwirth-Schnatter, Malsiner-Walli & Grün 2021), compiled.

Labels given K components; the parameters of those that have rows, and what stands above them, given labels; K and α
given the partition alone; then weights, and the parameters of the components without rows from their prior.
"""

from __future__ import annotations

import math

from numba import njit, types

from bayesgmm.engines.sweeps import variates
from bayesgmm.engines.unknown import process
from bayesgmm.engines.unknown.state import OUTSIDE, draw_fresh, draw_filled, filled_first, normalise, pass_rows
from bayesgmm.kernel import assign
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d2

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))


@njit(**EXACT)
def sweep(law, labels, is_wanted, t, s):
    """One sweep; the labels are written only where they are wanted."""
    header, scalars, filled = s.header, s.scalars, s.header[1]
    draw_filled(filled, t, s)
    k = process.draw_number(law, filled, scalars[0], t.m0, s.table, s.stream)
    alpha = process.draw_alpha(law, k, filled, scalars[0], 0.0, t.m0, s.stream)
    gamma = process.gamma_of(law, k, alpha)
    if k > filled:
        draw_fresh(filled, k, t, s)
    logs = t.log_weights[:k]
    for i in range(k):
        logs[i] = gamma + t.m0[i]
    variates.log_dirichlet(logs, s.stream)
    normalise(logs)
    header[0], scalars[0] = k, alpha
    allocate(labels, is_wanted, t, s)


@njit(**EXACT)
def allocate(labels, is_wanted, t, s):
    """Draw all labels given K components; those that have rows come first."""
    header, n = s.header, s.rows.shape[0]
    k = header[0]
    memory = _malloc(8 * n * k) if is_wanted else 0
    s.scalars[2] = pass_rows(0, n, k, assign.DRAW, memory, n if is_wanted else 0, t, s)
    header[1] = filled_first(t.m0[:k], t, s.place)
    if is_wanted:
        resp = d2(memory, (n, k))
        for row in range(n):
            i = 0
            while i < k - 1 and resp[row, i] == 0.0:
                i += 1
            labels[row] = s.place[i]
        _free(memory)
    if not math.isfinite(s.scalars[2]):
        header[3] = OUTSIDE
