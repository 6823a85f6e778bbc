"""Rows with missing cells, grouped by what they have: one walk a group, its moments carried over to all features.

A row that has the features o sees a component through the rows L[o, :] = L_oo Q_o of its factor, L_oo lower triangular
and Q_o with orthonormal rows: its density is that of the mixture with means μ[o] and factors L_oo. Given those
features, z = L⁻¹ (x − μ) has the mean Q_oᵀ z_o and the covariance I − Q_oᵀ Q_o. So the expected moments are

    m₁ = Q_oᵀ m₁ₒ        m₂ = Q_oᵀ m₂ₒ Q_o + m₀ (I − Q_oᵀ Q_o),

with which Fisher's identity, and EM, hold as they do for complete rows (Dempster, Laird & Rubin 1977; Ghahramani &
Jordan 1994). No covariance is formed or inverted, which keeps its digits.
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.kernel import plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import WALK
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.parameters import dot
from bayesgmm.kernel.views import d1, d2, d3, i1, i2

_walk = external(WALK["dd"])


def function(name):
    """The pass as a C function; moments are added to, those of second order below and on the diagonal only."""
    return _patterns


def _patterns(cells, offsets, starts, features, n_groups, n_features, n_components, n_factors, width,
              log_weights, means, factors, weights, n_weights, hard, log_prob, n_log_prob, resp, n_resp, sums, m0,
              m1, m2, memory):  # fmt: skip
    at = plan.pattern_memory(n_components, n_features, n_factors, width)
    begin, first = i1(offsets, (n_groups + 1,)), i1(starts, (n_groups + 1,))
    have, spare = i2(features, (n_groups, n_features + 1)), i1(memory, (8,))
    for g in range(n_groups):
        n, rows = have[g, 0], first[g + 1] - first[g]
        w = weights + 8 * first[g] if n_weights else 0
        lp = log_prob + 8 * first[g] if n_log_prob else 0
        r = resp + 8 * n_components * first[g] if n_resp else 0
        if n == 0:
            _add_prior(rows, hard, d1(w, (rows if n_weights else 0,)), d1(lp, (rows if n_log_prob else 0,)),
                       d2(r, (rows if n_resp else 0, n_components)), d1(log_weights, (n_components,)),
                       d1(m0, (n_components,)), d3(m2, (n_components, n_features, width)))  # fmt: skip
            continue
        whole = n == n_features
        narrow = width if whole else (n if width > 1 else 1)
        mu, factor = memory + at.means, memory + at.factors
        n0, n1, n2 = memory + at.m0, memory + at.m1, memory + at.m2
        if whole:
            mu, factor, n0, n1, n2 = means, factors, m0, m1, m2
        else:
            _shrink(have[g, 1:], n, d2(means, (n_components, n_features)), d3(factors, (n_factors, n_features, width)),
                    d2(mu, (n_components, n)), d3(factor, (n_factors, n, narrow)),
                    d3(memory + at.turns, (n_factors, n_features, n_features)))  # fmt: skip
            _clear(d1(n0, (n_components,)), d2(n1, (n_components, n)), d3(n2, (n_components, n, narrow)))
        for i in range(8):
            spare[i] = 0  # the counter of ranges, a key that no draw asks for
        _walk(memory, cells + 8 * begin[g], 8 * n, 8, rows, n_components, n, n_factors,
              narrow, log_weights, mu, factor, w, rows if n_weights else 0, hard, memory + 8, lp,
              rows if n_log_prob else 0, r, rows if n_resp else 0, 1, sums, n0, n1, n2, memory + at.walk)  # fmt: skip
        if not whole:
            _carry(have[g, 1:], n, d3(memory + at.turns, (n_factors, n_features, n_features)),
                   d1(n0, (n_components,)), d2(n1, (n_components, n)), d3(n2, (n_components, n, narrow)),
                   d2(memory + at.half, (n_features, n_features)), d1(m0, (n_components,)),
                   d2(m1, (n_components, n_features)), d3(m2, (n_components, n_features, width)))  # fmt: skip
    return 0


@njit(**EXACT)
def _add_prior(rows, hard, weights, log_prob, resp, log_weights, m0, m2):
    """Rows that have nothing say what the prior of their labels says."""
    total, likeliest = float(rows), 0
    if weights.shape[0]:
        total = 0.0
        for b in range(rows):
            total += weights[b]
    for b in range(log_prob.shape[0]):
        log_prob[b] = 0.0
    for k in range(m0.shape[0]):
        if log_weights[k] > log_weights[likeliest]:
            likeliest = k
    for k in range(m0.shape[0]):
        share = math.exp(log_weights[k])
        if hard:
            share = 1.0 if k == likeliest else 0.0
        for b in range(resp.shape[0]):
            resp[b, k] = share
        m0[k] += total * share
        for j in range(m2.shape[1]):
            m2[k, j, j if m2.shape[2] > 1 else 0] += total * share


@njit(**EXACT)
def _shrink(features, n, means, factors, small_means, small_factors, turns):
    """Means and factors of the n features that a group has."""
    for k in range(means.shape[0]):
        for a in range(n):
            small_means[k, a] = means[k, features[a]]
    for f in range(factors.shape[0]):
        if factors.shape[2] > 1:
            _decompose(factors[f], features, n, turns[f], small_factors[f])
        else:
            for a in range(n):
                small_factors[f, a, 0] = factors[f, features[a], 0]


@njit(**EXACT)
def _decompose(factor, features, n, turn, small):
    """L[o, :] = L_oo Q_o by Gram and Schmidt, whose second round removes the rounding of the first."""
    d = factor.shape[0]
    for a in range(n):
        row, v = features[a], turn[a]
        for j in range(d):
            v[j] = factor[row, j] if j <= row else 0.0
        for b in range(n):
            small[a, b] = 0.0
        for _ in range(2):
            for b in range(a):
                s = dot(turn[b], v)
                small[a, b] += s
                for j in range(d):
                    v[j] -= s * turn[b, j]
        length = math.sqrt(dot(v, v))
        small[a, a] = length
        for j in range(d):
            v[j] /= length


@njit(**EXACT)
def _carry(features, n, turns, n0, n1, n2, half, m0, m1, m2):
    """Add a group's moments to those of all features."""
    n_components, d, width = m2.shape
    for k in range(n_components):
        m0[k] += n0[k]
        if width > 1:
            turn = turns[k if turns.shape[0] > 1 else 0]
            for a in range(n):
                for j in range(d):
                    m1[k, j] += turn[a, j] * n1[k, a]
                    s = -n0[k] * turn[a, j]
                    for b in range(n):
                        s += n2[k, max(a, b), min(a, b)] * turn[b, j]
                    half[a, j] = s
            for i in range(d):
                for j in range(i + 1):
                    s = n0[k] if i == j else 0.0
                    for a in range(n):
                        s += turn[a, i] * half[a, j]
                    m2[k, i, j] += s
        else:
            for j in range(d):
                m2[k, j, 0] += n0[k]
            for a in range(n):
                m1[k, features[a]] += n1[k, a]
                m2[k, features[a], 0] += n2[k, a, 0] - n0[k]


@njit(**EXACT)
def _clear(m0, m1, m2):
    for k in range(m0.shape[0]):
        m0[k] = 0.0
        for j in range(m1.shape[1]):
            m1[k, j] = 0.0
            for i in range(m2.shape[2]):
                m2[k, j, i] = 0.0
