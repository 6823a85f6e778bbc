"""Rows divided in two by a pair of Gaussians, in compiled code."""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.engines.density.blocks import solve
from bayesgmm.engines.sweeps import triangular, variates
from bayesgmm.kernel.options import EXACT

# Steps of EM.
_STEPS = 8


@njit(**EXACT)
def fit(x, members, i, j, form, one, other, odds, z):
    """The log odds of each row for the side of i, by EM of two Gaussians begun at the rows nearer to i, and to j."""
    m, d = members.shape[0], x.shape[1]
    for r in range(m):
        odds[r] = math.inf  # all on one side: its covariance says what near means
    n = _weighted(x, members, odds, True, one)
    _spread(n, form, one.scatter)
    for r in range(m):
        near = 0.0
        for a in range(d):
            z[a] = x[members[r], a] - x[i, a]
        solve(one.scatter, z)
        for a in range(d):
            near -= z[a] ** 2
            z[a] = x[members[r], a] - x[j, a]
        solve(one.scatter, z)
        for a in range(d):
            near += z[a] ** 2
        odds[r] = math.inf if near > 0.0 else -math.inf
    for _ in range(_STEPS):
        for r in range(m):
            if members[r] == i:
                odds[r] = math.inf
            elif members[r] == j:
                odds[r] = -math.inf
        height = 0.0
        for own in range(2):
            side = one if own == 1 else other
            n = _weighted(x, members, odds, own == 1, side)
            _spread(n, form, side.scatter)
            here = math.log(n + 1.0)
            for a in range(d):
                here -= math.log(side.scatter[a, a])
            height += here if own == 1 else -here
        for r in range(m):
            far = 0.0
            for own in range(2):
                side = one if own == 1 else other
                for a in range(d):
                    z[a] = x[members[r], a] - side.mean[a]
                solve(side.scatter, z)
                for a in range(d):
                    far += z[a] ** 2 if own == 1 else -(z[a] ** 2)
            odds[r] = height - 0.5 * far


@njit(**EXACT)
def _share(odds):
    """The probability that has these log odds."""
    return 1.0 / (1.0 + math.exp(-odds)) if odds > -700.0 else 0.0


@njit(**EXACT)
def _weighted(x, members, odds, is_one, side):
    """Rows' number, mean and scatter, each row counted by its share in a side."""
    d, total = x.shape[1], 0.0
    for a in range(d):
        side.mean[a] = 0.0
        for b in range(d):
            side.scatter[a, b] = 0.0
    for r in range(members.shape[0]):
        w = _share(odds[r] if is_one else -odds[r])
        total += w
        for a in range(d):
            side.mean[a] += w * x[members[r], a]
    for a in range(d):
        side.mean[a] /= total
    for r in range(members.shape[0]):
        w = _share(odds[r] if is_one else -odds[r])
        if w > 0.0:
            for a in range(d):
                gap = w * (x[members[r], a] - side.mean[a])
                for b in range(a + 1):
                    side.scatter[a, b] += gap * (x[members[r], b] - side.mean[b])
    return total


@njit(**EXACT)
def _spread(n, form, scatter):
    """A scatter becomes chol of a covariance, near its posterior mean."""
    d = scatter.shape[0]
    if form.is_dense:
        triangular.add_square(form.root, False, scatter)
        for a in range(d):
            for b in range(a + 1):
                scatter[a, b] /= form.dof + n
        triangular.cholesky(scatter)
        return
    pooled = 0.0
    for a in range(d):
        pooled += scatter[a, a] / d
    for a in range(d):
        own = pooled if form.n_rates == 1 else scatter[a, a]
        rate = form.rates[a if form.n_rates > 1 else 0]
        for b in range(a):
            scatter[a, b] = 0.0
        scatter[a, a] = math.sqrt((2.0 * rate + own) / (form.dof + n))


@njit(**EXACT)
def divide(members, i, j, is_split, sides, odds, stream):
    """Draw the side of each row if a split is proposed; the log probability of the sides."""
    log_q = 0.0
    for r in range(members.shape[0]):
        if members[r] == i:
            sides[r] = 1
        elif members[r] == j:
            sides[r] = 0
        else:
            if is_split:
                sides[r] = 1 if variates.uniform(stream) < _share(odds[r]) else 0
            against = -odds[r] if sides[r] == 1 else odds[r]
            log_q -= against if against > 700.0 else math.log1p(math.exp(against))
    return log_q
