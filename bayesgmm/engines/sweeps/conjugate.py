"""Under the conjugate prior: given labels, everything is drawn from its closed form, means summed out of covariances.

    π ~ Dirichlet(α + N)
    Σ_k ~ InverseWishart(ν₀ + N_k, Ψ₀ + S_k + κ₀ N_k/(κ₀ + N_k) (x̄_k − m₀)(x̄_k − m₀)ᵀ)
    μ_k | Σ_k ~ Normal((κ₀ m₀ + N_k x̄_k)/(κ₀ + N_k), Σ_k/(κ₀ + N_k))

A tied Σ has the sum of all components' N and scatter; variances have inverse gamma distributions of their own diagonal
(Gelman et al. 2013, section 3.6; Bensmail, Celeux, Raftery & Robert 1997).
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.engines.density import conjugate as density
from bayesgmm.engines.density.blocks import solve
from bayesgmm.engines.density.weights import n_constants
from bayesgmm.engines.sweeps import native, triangular, variates, weights
from bayesgmm.engines.sweeps.covariances import draw_dense, draw_variances, sharers
from bayesgmm.kernel.options import EXACT

ROUTINE = native.routine(__name__, density.ROUTINE)


def function(name):
    """The C function of the sweeps."""
    return native.sweeps(density.enter, _draw)


@njit(**EXACT)
def _draw(constants, t, space):
    u, stream = space.point, space.stream
    k, d = t.means.shape
    c = constants[n_constants(k) :]
    n_factors, (first, size) = t.factors.shape[0], native.covariances_in(constants, 0, t, space)
    weights.draw(u, constants, t.m0, space.logs, stream)
    for i in range(k):
        f = i if n_factors > 1 else 0
        condense(c[4 : 4 + d], c[0], i, t.factors[f], t.a[f], t)
    for f in range(n_factors):
        v = u[first + f * size : first + (f + 1) * size]
        if c[3] > 0:
            base = c[4 + d :].reshape(d, d)
            draw_dense(f, c[1], base, base, v, t, stream)
            for g in range(*sharers(f, t)):
                draw_dense_mean(g, c[0], t.m2[f], t.a[f], t, space)
        else:
            draw_variances(f, 0.5 * c[1], c[4 + d :], v, t, stream)
            draw_mean(f, c[0], v, t, space)


@njit(**EXACT)
def condense(mean, shrinkage, k, factor, scratch, t):
    """From moments of the rows of component k to what its posterior needs, in data units.

    In place of m₁ comes (κ₀ m₀ + N x̄)/(κ₀ + N); of m₂, S + κ₀ N/(κ₀ + N) (x̄ − m₀)(x̄ − m₀)ᵀ, on and below the diagonal.
    """
    n, m1, m2, gap = t.m0[k], t.m1[k], t.m2[k], t.gap[k]
    d, is_dense, share = m1.shape[0], m2.shape[1] > 1, 1.0 / n if n > 0.0 else 0.0
    for i in range(d):
        gap[i] = t.means[k, i] - mean[i]
        if is_dense:
            for j in range(i + 1):
                m2[i, j] -= share * m1[i] * m1[j]
                gap[i] += share * factor[i, j] * m1[j]
        else:
            m2[i, 0] = factor[i, 0] ** 2 * (m2[i, 0] - share * m1[i] ** 2)
            gap[i] += share * factor[i, 0] * m1[i]
    if is_dense:
        triangular.sandwich(factor, m2, scratch)
    weight = n / (shrinkage + n)
    for i in range(d):
        m1[i] = mean[i] + weight * gap[i]
        if is_dense:
            for j in range(i + 1):
                m2[i, j] += shrinkage * weight * gap[i] * gap[j]
        else:
            m2[i, 0] += shrinkage * weight * gap[i] ** 2


@njit(**EXACT)
def draw_dense_mean(k, shrinkage, root, a, t, space):
    """Its centre + C A_n⁻¹ ε / √(κ₀ + N)."""
    d, z, width = t.means.shape[1], t.gap[k], 1.0 / math.sqrt(shrinkage + t.m0[k])
    at = space.point.shape[0] - (t.means.shape[0] - k) * d
    for i in range(d):
        z[i] = width * variates.normal(space.stream)
    solve(a, z)
    for i in range(d):
        s = t.m1[k, i]
        for j in range(i + 1):
            s += root[i, j] * z[j]
        space.point[at + i] = s


@njit(**EXACT)
def draw_mean(k, shrinkage, v, t, space):
    """Its centre + σ ε / √(κ₀ + N)."""
    d, width = t.means.shape[1], 1.0 / math.sqrt(shrinkage + t.m0[k])
    at = space.point.shape[0] - (t.means.shape[0] - k) * d
    for i in range(d):
        sd = width * math.exp(0.5 * v[i if v.shape[0] > 1 else 0])
        space.point[at + i] = t.m1[k, i] + sd * variates.normal(space.stream)
