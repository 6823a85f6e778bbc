"""A search for the partition of least expected loss, from one start, as a C function.

As SALSO does (Dahl, Johnson & Müller 2022): items are put one by one, in random order, where they cost least, unless a
partition is given; then sweeps, each in an order of its own, move single items until none gains. What single items
cannot do is tried for each cluster: all of it into its neighbour; taken apart and its items put one by one where they
cost least; split about two of its items. What does not gain is undone.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesgmm.kernel.assign import word
from bayesgmm.kernel.clusters import PAIR, RATIO, TABLE, TINY, Clusters, best, n2, objective, put, take
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1, u1

_MERGE, _REBUILD, _SPLIT = 0, 1, 2
_WAYS = 3
# Sweeps at most, over all items and over those of one cluster; rounds in which clusters are taken on; how many items
# say which cluster is the neighbour.
_SWEEPS, _LOCAL, _ROUNDS, _ASKED = 100, 3, 20, 64


def function(name):
    """A start made into a local optimum: the only function, so that its name says nothing.

    ``joint`` has room for numbers that a kind keeps: one a draw, or one a slot and item.
    ``label`` (N,) is the start where ``given``, and the answer; with ``deep`` 0 it is only looked at, with 1 swept,
    with 2 clusters are taken on too. ``value`` becomes the objective. ``halt`` not 0 ends the search where it is.
    """

    def search(kind, n, n_draws, n_cells, n_slots, at, count, p, label, given, deep, total, step, whole, joint, key,
               integers, reals, halt, value):  # fmt: skip
        k, by_draws = n_slots, kind == TABLE or kind == RATIO
        cells, pairs = n_cells if by_draws else 0, 0 if by_draws else n
        ratios = n_draws if kind == RATIO else 0
        c = Clusters(
            i1(label, (n,)), i1(integers, (k,)), i1(integers + 8 * k, (1,)), d1(reals, (k,)),
            d1(total, (n + 1,)), d1(step, (n + 1,)), n2(at, (n, n_draws if by_draws else 0)), n2(count, (cells, k)),
            d1(whole, (ratios,)), d1(joint, (ratios,)), d1(reals + 8 * k, (2,)), d2(p, (pairs, pairs)),
            d1(reals + 8 * (3 * k + 2), (pairs,)), d1(reals + 8 * (k + 2), (k,)), d1(reals + 8 * (2 * k + 2), (k,)),
            d2(joint, (k if kind == PAIR else 0, n if kind == PAIR else 0)),
        )  # fmt: skip
        left = integers + 8 * (k + 1)
        order, members, back = i1(left, (n,)), i1(left + 8 * n, (n,)), i1(left + 16 * n, (n,))
        random = i1(left + 24 * n, (1,))
        random[0] = 0
        _begin(c, order, given, kind, u1(key, (2,)), random)
        if deep > 0:
            _settle(c, order, n, kind, _SWEEPS, u1(key, (2,)), random, i1(halt, (1,)))
        if deep > 1:
            _rounds(c, order, members, back, kind, u1(key, (2,)), random, i1(halt, (1,)))
        d1(value, (1,))[0] = objective(c, kind)
        return 0

    return search


@njit(**EXACT)
def _shuffle(items, n, key, random):
    for last in range(n - 1, 0, -1):
        other = _below(last + 1, key, random)
        items[last], items[other] = items[other], items[last]


@njit(**EXACT)
def _below(n, key, random):
    """A random whole number below n."""
    random[0] += 1
    return np.int64((word(random[0], key) >> np.uint64(11)) % np.uint64(n))


@njit(**EXACT)
def _begin(c, order, given, kind, key, random):
    """The partition that was given, or one made item by item."""
    for i in range(order.shape[0]):
        order[i] = i
        if given:
            k = c.label[i]
            c.label[i] = -1
            put(c, i, k)
        else:
            c.label[i] = -1
    if not given:
        _shuffle(order, order.shape[0], key, random)
        _place(c, order, order.shape[0], kind)


@njit(**EXACT)
def _place(c, items, n, kind):
    """Items that are nowhere, one by one where they cost least. A ratio of some items alone is not looked at."""
    for i in range(n):
        put(c, items[i], best(c, items[i], TABLE if kind == RATIO else kind))


@njit(**EXACT)
def _settle(c, items, n, kind, sweeps, key, random, halt):
    """Sweeps over some items until one moves nothing."""
    for _ in range(sweeps):
        _shuffle(items, n, key, random)
        moved = False
        for i in range(n):
            if halt[0] != 0:
                return
            k = best(c, items[i], kind)
            if k != c.label[items[i]]:
                take(c, items[i])
                put(c, items[i], k)
                moved = True
        if not moved:
            return


@njit(**EXACT)
def _rounds(c, order, members, back, kind, key, random, halt):
    """Clusters taken on, one after another and in three ways, until no attempt gains."""
    value = objective(c, kind)
    for _ in range(_ROUNDS):
        gained = False
        for k in range(c.size.shape[0]):
            for way in range(_WAYS):
                if k < c.top[0] and c.size[k] > 1 and halt[0] == 0:
                    now = _attempt(c, k, way, value, members, back, kind, key, random, halt)
                    gained = gained or now < value
                    value = now
        if not gained or halt[0] != 0:
            return
        _settle(c, order, order.shape[0], kind, _SWEEPS, key, random, halt)
        value = objective(c, kind)


@njit(**EXACT)
def _attempt(c, k, way, value, members, back, kind, key, random, halt):
    """Do something to cluster k, and undo it if it does not gain; returns the objective."""
    n = 0
    for i in range(c.label.shape[0]):
        back[i] = c.label[i]
        if c.label[i] == k:
            members[n] = i
            n += 1
    _shuffle(members, n, key, random)
    before = c.sum[0]
    c.sum[1] = 0.0
    if way == _MERGE:
        done = _merge(c, k, members, n, kind)
    elif way == _SPLIT:
        done = _split(c, k, members, n, kind)
    else:
        done = True
        for i in range(n):
            take(c, members[i])
        _place(c, members, n, kind)
    if not done:
        return value
    _settle(c, members, n, kind, _LOCAL, key, random, halt)
    # Under TABLE what has changed is known, and need not be added up anew.
    now = value + c.sum[0] - before - 2.0 * c.sum[1] / c.at.shape[1] if kind == TABLE else objective(c, kind)
    if now < value - TINY:
        return now
    for i in range(n):
        if c.label[members[i]] != back[members[i]]:
            take(c, members[i])
            put(c, members[i], back[members[i]])
    return value


@njit(**EXACT)
def _merge(c, k, members, n, kind):
    """All of a cluster into the one in which some of its items cost least together."""
    target, least = -1, math.inf
    for other in range(c.top[0]):
        if other != k and c.size[other] > 0:
            cost = 0.0
            for i in range(min(n, _ASKED)):
                cost += _shared(c, members[i], other)
            if cost < least:
                target, least = other, cost
    if target < 0:
        return False
    for i in range(n):
        take(c, members[i])
        put(c, members[i], target)
    return True


@njit(**EXACT)
def _shared(c, i, k):
    """Minus the mean similarity of an item to those in a slot."""
    shared = 0.0
    if c.p.shape[0] > 0:
        for j in range(c.label.shape[0]):
            if c.label[j] == k:
                shared -= c.p[i, j]
    for m in range(c.at.shape[1]):
        shared -= c.count[c.at[i, m], k]
    return shared / c.size[k]


@njit(**EXACT)
def _split(c, k, members, n, kind):
    """A cluster about two of its items, the others in random order with the one where they cost less."""
    empty = 0
    while empty < c.size.shape[0] and c.size[empty] > 0:
        empty += 1
    if n < 2 or empty == c.size.shape[0]:
        return False
    for i in range(n):
        take(c, members[i])
    put(c, members[0], k)
    put(c, members[1], empty)
    for i in range(2, n):
        best(c, members[i], TABLE if kind == RATIO else kind)
        put(c, members[i], k if c.cost[k] <= c.cost[empty] else empty)
    return True
