"""What matching labels costs, as C functions: sums over rows and draws, and optimal assignments of K to K.

A draw's components are numbered a, a reference's b. ``order[b] = a`` says that component a of the draw is component b
of the reference; among all orders the best has the largest Σ_b gain[order[b], b].
"""

from __future__ import annotations

from numba import njit

from bayesgmm.kernel.options import EXACT, FAST
from bayesgmm.kernel.views import d1, d2, d3, i1, i2


def function(name):
    """What is compiled as a C function of this name."""
    return {"labels_overlaps": _overlaps, "labels_total": _total, "labels_orders": _orders}[name]


def _overlaps(resp, n_draws, n_rows, n_components, table, gains):
    r, gain = d3(resp, (n_draws, n_rows, n_components)), d3(gains, (n_draws, n_components, n_components))
    for m in range(n_draws):
        _overlap(r[m], d2(table, (n_rows, n_components)), gain[m])
    return 0


def _total(resp, n_draws, n_rows, n_components, orders, first, last, total):
    _add_in_order(d3(resp, (n_draws, n_rows, n_components)), i2(orders, (n_draws, n_components)), first, last,
                  d2(total, (n_rows, n_components)))  # fmt: skip
    return 0


def _orders(gains, n_draws, n_components, orders, memory):
    k, line = n_components, 8 * (n_components + 1)
    gain, order = d3(gains, (n_draws, k, k)), i2(orders, (n_draws, k))
    for m in range(n_draws):
        _assign(gain[m], order[m], d1(memory, (k + 1,)), d1(memory + line, (k + 1,)), d1(memory + 2 * line, (k + 1,)),
                i1(memory + 3 * line, (k + 1,)), i1(memory + 4 * line, (k + 1,)),
                i1(memory + 5 * line, (k + 1,)))  # fmt: skip
    return 0


@njit(**FAST)
def _overlap(r, table, gain):
    """gain[a, b] = Σ_n r[n, a] table[n, b]."""
    n_components = gain.shape[0]
    for a in range(n_components):
        for b in range(n_components):
            gain[a, b] = 0.0
    for n in range(r.shape[0]):
        for a in range(n_components):
            share = r[n, a]
            for b in range(n_components):
                gain[a, b] += share * table[n, b]


@njit(**EXACT)
def _add_in_order(r, orders, first, last, total):
    """total[n, b] += Σ_m r[m, n, orders[m, b]] for the rows from first to last; draw by draw, whatever the rows."""
    for m in range(r.shape[0]):
        for n in range(first, last):
            for b in range(total.shape[1]):
                total[n, b] += r[m, n, orders[m, b]]


@njit(**EXACT)
def _assign(gain, order, pay, price, least, holder, came, seen):
    """The best order: components of the reference come one by one and push others along the cheapest path.

    Shortest augmenting paths with dual prices (Kuhn 1955; Jonker & Volgenant 1987), in K³ steps. Position K of every
    buffer stands for the newcomer's side: it holds what has no component of the draw yet.
    """
    k = gain.shape[0]
    for a in range(k + 1):
        price[a] = 0.0
        pay[a] = 0.0
        holder[a] = -1
    for b in range(k):
        holder[k] = b
        end = _cheapest_path(gain, pay, price, least, holder, came, seen)
        while end != k:
            before = came[end]
            holder[end] = holder[before]
            end = before
    for a in range(k):
        order[holder[a]] = a


@njit(**EXACT)
def _cheapest_path(gain, pay, price, least, holder, came, seen):
    """From the newcomer to a component of the draw that nobody holds; returns it, with the path in ``came``."""
    k = gain.shape[0]
    for a in range(k + 1):
        least[a] = 1e308
        seen[a] = 0
    here = k
    while holder[here] >= 0:
        seen[here] = 1
        b, step, onward = holder[here], 1e308, here
        for a in range(k):
            if seen[a] == 0:
                costs = -gain[a, b] - pay[b] - price[a]
                if costs < least[a]:
                    least[a] = costs
                    came[a] = here
                if least[a] < step or onward == here:
                    step = least[a]
                    onward = a
        for a in range(k + 1):
            if seen[a]:
                pay[holder[a]] += step
                price[a] -= step
            else:
                least[a] -= step
        here = onward
    return here
