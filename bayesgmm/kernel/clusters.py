"""What it costs to put an item into a cluster, by the draws or by a similarity matrix: plain loops, compiled.

A candidate partition has clusters in numbered slots, some of them empty. Losses are sums over cells of G: with n_k
items in a cluster, and n_kl of them in cluster l of a draw, the expected loss is, up to a factor and to what the
candidate does not touch,

    TABLE   Σ_k G(n_k) − 2/M Σ_m Σ_kl G(n_kl)               Binder's loss: G(n) = n²; VI: G(n) = n log₂ n
    RATIO   1/M Σ_m (A + B_m − 2 C_m) / (G(N) − C_m)        VI over the joint entropy; A = Σ_k G(n_k), B_m, C_m alike
    BOUND   Σ_k G(n_k) − 2 Σ_i log₂ s_i,  s_i = Σ_j p_ij     over j in i's cluster: VI, the expectation inside the log
    PAIR    Σ_k G(n_k) − 2 Σ_i s_i                           Binder's loss once more, by similarities p_ij

Counts n_kl of all draws are kept up to date: an item has one cell in each draw, so that a move costs M additions, and
the costs of all its moves M gathers a slot. Under BOUND the sums s_i are kept instead; under PAIR those of every item
and slot, so that a move costs N additions, and the costs of all moves nothing but K numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, types

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import _view_of

TABLE, RATIO, BOUND, PAIR = 0, 1, 2, 3
# A move must gain more than rounding does.
TINY = 1e-10
# Products of ratios are turned into logarithms before they overflow; a ratio is never more than 2 · 10¹⁶.
_LARGE = 1e250

#: Arrays of unsigned numbers of four bytes: an index that cannot be negative need not be looked at.
n2 = _view_of(types.uint32, 2)


class Clusters(NamedTuple):
    """A candidate partition and what is kept of it; arrays that a kind of loss does not need are empty."""

    label: np.ndarray  # (N,) slot of an item, or −1
    size: np.ndarray  # (K,) items of a slot
    top: np.ndarray  # (1,) slots from here on are empty
    cost: np.ndarray  # (K,) what `costs` found
    total: np.ndarray  # (N + 1,) G
    step: np.ndarray  # (N + 1,) G(n + 1) − G(n)
    at: np.ndarray  # (N, M) the cell of an item in each draw, numbered through all draws
    count: np.ndarray  # (P, K) n_kl, a row a cell
    whole: np.ndarray  # (M,) RATIO: B_m
    joint: np.ndarray  # (M,) RATIO: C_m
    sum: np.ndarray  # (2,) A; and, by which attempts are judged, Σ_m Σ_kl G(n_kl) since it was last set to 0
    p: np.ndarray  # (N, N) BOUND, PAIR: similarities
    own: np.ndarray  # (N,) BOUND: s_i
    product: np.ndarray  # (K,) BOUND: of ratios
    within: np.ndarray  # (K,) BOUND: Σ_j p_ij
    near: np.ndarray  # (K, N) PAIR: Σ_j p_ij of every item i over the items j of a slot


@njit(**EXACT)
def put(c, i, k):
    """Item i, which is nowhere, into slot k."""
    c.sum[0] += c.step[c.size[k]]
    _lean(c, i, k, 1.0)
    for m in range(c.at.shape[1]):
        row = c.count[c.at[i, m]]
        more = c.step[row[k]]
        row[k] += np.uint32(1)
        c.sum[1] += more
        if c.joint.shape[0] > 0:
            c.joint[m] += more
    c.label[i] = k
    c.size[k] += 1
    c.top[0] = max(c.top[0], k + 1)


@njit(**EXACT)
def take(c, i):
    """Item i out of its slot."""
    k = c.label[i]
    c.label[i] = -1
    c.size[k] -= 1
    c.sum[0] -= c.step[c.size[k]]
    for m in range(c.at.shape[1]):
        row = c.count[c.at[i, m]]
        row[k] -= np.uint32(1)
        less = c.step[row[k]]
        c.sum[1] -= less
        if c.joint.shape[0] > 0:
            c.joint[m] -= less
    _lean(c, i, k, -1.0)
    while c.top[0] > 0 and c.size[c.top[0] - 1] == 0:
        c.top[0] -= 1


@njit(**EXACT)
def _lean(c, i, k, sign):
    """Sums of similarities of a slot with item i, or without it: s_j and s_i, or those of every item."""
    for j in range(c.near.shape[1]):
        c.near[k, j] += sign * c.p[i, j]
    if c.near.shape[0] > 0 or c.p.shape[0] == 0:
        return
    own = c.p[i, i]
    for j in range(c.label.shape[0]):
        if c.label[j] == k and j != i:
            c.own[j] += sign * c.p[i, j]
            own += c.p[i, j]
    c.own[i] = own


@njit(**EXACT)
def best(c, i, kind):
    """The slot in which item i costs least; where it is, if no other is better by more than rounding."""
    reach = min(c.top[0] + 1, c.size.shape[0])
    if kind == TABLE:
        _by_table(c, i, reach)
    elif kind == RATIO:
        _by_ratio(c, i, reach)
    elif kind == PAIR:
        _by_pair(c, i, reach)
    else:
        _by_bound(c, i, reach)
    home, found, least = c.label[i], -1, math.inf
    seen = False
    if home >= 0:
        found, least, seen = home, c.cost[home] - TINY, c.size[home] == 1
    for k in range(reach):
        if k == home:
            continue
        if c.size[k] == 0:
            if seen:  # one empty slot is as good as another
                continue
            seen = True
        if c.cost[k] < least:
            found, least = k, c.cost[k]
    return found


@njit(**EXACT)
def _by_table(c, i, reach):
    """What the sum grows by with item i in a slot, itself left out of the slot it is in."""
    home, own, cost, n_draws = c.label[i], 0.0, c.cost, c.at.shape[1]
    for k in range(reach):
        cost[k] = 0.0
    for m in range(n_draws):
        row = c.count[c.at[i, m]]
        for k in range(reach):
            cost[k] += c.step[row[k]]
        if home >= 0:
            own += c.step[row[home] - np.uint32(1)]
    if home >= 0:
        cost[home] = own
    for k in range(reach):
        cost[k] = c.step[c.size[k] - (1 if k == home else 0)] - 2.0 / n_draws * cost[k]


@njit(**EXACT)
def _by_ratio(c, i, reach):
    """N times the expected ratio with item i, which is somewhere, in a slot."""
    home, cost, n_draws, n = c.label[i], c.cost, c.at.shape[1], c.label.shape[0]
    rest = c.sum[0] - c.step[c.size[home] - 1]
    for k in range(reach):
        cost[k] = 0.0
    for m in range(n_draws):
        row = c.count[c.at[i, m]]
        joint = c.joint[m] - c.step[row[home] - np.uint32(1)]
        for k in range(reach):
            size = c.size[k] - (1 if k == home else 0)
            cell = row[k] - (np.uint32(1) if k == home else np.uint32(0))
            cost[k] += _ratio(rest + c.step[size], c.whole[m], joint + c.step[cell], c.total[n])
    for k in range(reach):
        cost[k] *= n / n_draws


@njit(**EXACT)
def _ratio(a, b, joint, most):
    """VI over the joint entropy; 0 where that is 0, as both partitions then have one cluster."""
    below = most - joint
    return (a + b - 2.0 * joint) / below if below > TINY else 0.0


@njit(**EXACT)
def _by_bound(c, i, reach):
    """What the sum grows by with item i in a slot: logarithms of (s_j + p_ij) / s_j add up, as their product's."""
    home, cost = c.label[i], c.cost
    for k in range(reach):
        cost[k], c.product[k], c.within[k] = 0.0, 1.0, c.p[i, i]
    for j in range(c.label.shape[0]):
        k = c.label[j]
        if k < 0 or j == i:
            continue
        p = c.p[i, j]
        c.within[k] += p
        c.product[k] *= c.own[j] / (c.own[j] - p) if k == home else 1.0 + p / c.own[j]
        if c.product[k] > _LARGE:
            cost[k] += math.log2(c.product[k])
            c.product[k] = 1.0
    for k in range(reach):
        size = c.size[k] - (1 if k == home else 0)
        cost[k] = c.step[size] - 2.0 * (cost[k] + math.log2(c.product[k]) + math.log2(c.within[k]))


@njit(**EXACT)
def _by_pair(c, i, reach):
    """What the sum grows by with item i in a slot, itself left out of the slot it is in."""
    home = c.label[i]
    for k in range(reach):
        is_home = 1 if k == home else 0
        c.cost[k] = c.step[c.size[k] - is_home] - 4.0 * (c.near[k, i] - is_home * c.p[i, i]) - 2.0 * c.p[i, i]


@njit(**EXACT)
def objective(c, kind):
    """The sum, or N times the ratio, of the whole candidate, added up anew."""
    found = 0.0
    if kind == RATIO:
        for m in range(c.joint.shape[0]):
            found += _ratio(c.sum[0], c.whole[m], c.joint[m], c.total[c.label.shape[0]])
        return found * c.label.shape[0] / c.joint.shape[0]
    if kind == TABLE:
        for cell in range(c.count.shape[0]):
            for k in range(c.top[0]):
                found += c.total[c.count[cell, k]]
        found /= c.at.shape[1]
    elif kind == PAIR:
        for i in range(c.label.shape[0]):
            found += c.near[c.label[i], i]
    else:
        for i in range(c.label.shape[0]):
            found += math.log2(c.own[i])
    found *= -2.0
    for k in range(c.top[0]):
        found += c.total[c.size[k]]
    return found
