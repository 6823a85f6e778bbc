"""Clusters merged two by two, always those whose merger costs least, as a C function.

A cluster is (n, mean, W): the weight of its rows, their mean, and their scatter about it. What it costs is a function
of n and W alone, and a merger's price is what the union costs more than its parts. The prices are kept in a matrix; of
each cluster the cheapest partner is kept too, or, where that partner has changed for the worse, a bound below its
price, so that few lines of the matrix are read again.
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1, i2

#: n log(|W/n| + (tr W + c)/n); tr W; D n log((tr W + c)/n).
VVV, EII, VII = 0, 1, 2
# Prices are kept as multiples of 2⁻³⁰: what is equal but for rounding is equal, whatever the units, and the first
# clusters in the order of the rows are merged.
_ROUND = 1.5 * 2.0**22
_NEVER = 1e300


def function(name):
    """The one routine here."""
    return _agglomerate


def _agglomerate(n_rows, n_features, criterion, rows, weights, ridge, merged, prices, scatters, numbers, places):
    """Merge all rows (N, D); ``merged`` (N − 1, 2) gets each pair, named by their first rows, in order.

    Changed as well: rows, which become means, weights; room is taken in prices (N, N), scatters (N, D², or 1),
    numbers (2 N + D²) and places (2 N).
    """
    n, d = n_rows, n_features
    size = d * d if criterion == VVV else 1
    means, count, price, w = d2(rows, (n, d)), d1(weights, (n,)), d2(prices, (n, n)), d2(scatters, (n, size))
    best, cost, work = d1(numbers, (n,)), d1(numbers + 8 * n, (n,)), d1(numbers + 16 * n, (d * d,))
    partner, points, pairs = i1(places, (n,)), i1(places + 8 * n, (n,)), i2(merged, (n, 2))
    c = d1(ridge, (1,))[0]
    for i in range(n):
        points[i] = 1
        for j in range(size):
            w[i, j] = 0.0
        cost[i] = _cost(criterion, count[i], w[i], d, 1, c, work)
        price[i, i] = _NEVER
    for i in range(n):
        for j in range(i):
            p = _price(criterion, i, j, means, count, w, points, cost, c, work)
            price[i, j] = p
            price[j, i] = p
    for i in range(n):
        _look(i, price, best, partner)
    for step in range(n - 1):
        a = _cheapest(points, price, best, partner)
        b = partner[a]
        if b < a:
            a, b = b, a
        pairs[step, 0], pairs[step, 1] = a, b
        _merge(criterion, a, b, means, count, w, points)
        cost[a] = _cost(criterion, count[a], w[a], d, points[a], c, work)
        for i in range(n):
            price[i, b] = _NEVER
            price[b, i] = _NEVER
            if points[i] > 0 and i != a:
                p = _price(criterion, a, i, means, count, w, points, cost, c, work)
                price[a, i] = p
                price[i, a] = p
                _hear(i, a, b, p, best, partner)
        _look(a, price, best, partner)
    return 0


@njit(**EXACT)
def _look(i, price, best, partner):
    """The cheapest partner of a cluster, the first of several."""
    line = price[i]
    least, at = line[0], 0
    for j in range(1, line.shape[0]):
        if line[j] < least:
            least, at = line[j], j
    best[i], partner[i] = least, at


@njit(**EXACT)
def _hear(i, a, b, p, best, partner):
    """Cluster i learns that b has joined a, with which its merger now costs p."""
    if p < best[i] or (p == best[i] and a <= partner[i]):
        best[i], partner[i] = p, a
    elif partner[i] == a or partner[i] == b:
        partner[i] = -1  # what is best is not known any more, but it costs no less


@njit(**EXACT)
def _cheapest(points, price, best, partner):
    """The first cluster of the cheapest pair."""
    while True:
        at = -1
        for i in range(points.shape[0]):
            if points[i] > 0 and (at < 0 or best[i] < best[at]):
                at = i
        if partner[at] >= 0:
            return at
        _look(at, price, best, partner)


@njit(**EXACT)
def _price(criterion, a, b, means, count, w, points, cost, c, work):
    """What the union of two clusters costs more than they do."""
    d, n = means.shape[1], count[a] + count[b]
    share = count[a] * count[b] / n
    if w.shape[1] == 1:
        s = w[a, 0] + w[b, 0]
        for j in range(d):
            s += share * (means[a, j] - means[b, j]) ** 2
        work[0] = s
    else:
        for j in range(d):
            gap = share * (means[a, j] - means[b, j])
            for h in range(j + 1):
                work[j * d + h] = w[a, j * d + h] + w[b, j * d + h] + gap * (means[a, h] - means[b, h])
    union = _cost_of(criterion, n, work, d, points[a] + points[b], c)
    return (union - cost[a] - cost[b] + _ROUND) - _ROUND


@njit(**EXACT)
def _merge(criterion, a, b, means, count, w, points):
    """The union in place of cluster a; b is no more."""
    d, n = means.shape[1], count[a] + count[b]
    share = count[a] * count[b] / n
    if w.shape[1] == 1:
        w[a, 0] += w[b, 0]
    for j in range(d):
        gap = means[a, j] - means[b, j]
        if w.shape[1] == 1:
            w[a, 0] += share * gap * gap
        else:
            for h in range(j + 1):
                w[a, j * d + h] += w[b, j * d + h] + share * gap * (means[a, h] - means[b, h])
    for j in range(d):
        means[a, j] += count[b] / n * (means[b, j] - means[a, j])
    count[a], points[a], points[b] = n, points[a] + points[b], 0


@njit(**EXACT)
def _cost(criterion, n, w, d, points, c, work):
    for j in range(w.shape[0]):
        work[j] = w[j]
    return _cost_of(criterion, n, work, d, points, c)


@njit(**EXACT)
def _cost_of(criterion, n, w, d, points, c):
    """What a cluster costs; W is used up."""
    if criterion == EII:
        return w[0]
    trace = 0.0
    if criterion == VII:
        return d * n * math.log((w[0] + c) / n)
    for j in range(d):
        trace += w[j * d + j]
    # So few points lie in a plane: no need to find that out.
    det = _determinant(n, w, d) if points > d else 0.0
    return n * math.log(det + (trace + c) / n)


@njit(**EXACT)
def _determinant(n, w, d):
    """|W/n|, 0 where it is singular."""
    det = 1.0
    for j in range(d):
        for h in range(j + 1):
            s = w[j * d + h]
            for i in range(h):
                s -= w[j * d + i] * w[h * d + i]
            if h < j:
                w[j * d + h] = s / w[h * d + h]
            elif s > 0.0:
                w[j * d + j] = math.sqrt(s)
                det *= s / n
            else:
                return 0.0
    return det
