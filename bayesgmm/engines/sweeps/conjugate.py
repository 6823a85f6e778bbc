"""Under the conjugate prior: given labels, everything is drawn from its closed form, means summed out of covariances.

    π ~ Dirichlet(α + N)
    Σ_k ~ InverseWishart(ν₀ + N_k, Ψ₀ + S_k + κ₀ N_k/(κ₀ + N_k) (x̄_k − m₀)(x̄_k − m₀)ᵀ)
    μ_k | Σ_k ~ Normal((κ₀ m₀ + N_k x̄_k)/(κ₀ + N_k), Σ_k/(κ₀ + N_k))

A tied Σ has the sum of all components' N and scatter; variances have inverse gamma distributions of their own diagonal
(Gelman et al. 2013, section 3.6; Bensmail, Celeux, Raftery & Robert 1997).

With Ψ_n = C Cᵀ the draw is Σ = L Lᵀ, L = C A_n⁻¹, A_n by Bartlett; u has A = L⁻¹ L₀ = A_n C⁻¹ L₀, and no matrix is
inverted.
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.engines.density import conjugate as density
from bayesgmm.engines.density.blocks import solve
from bayesgmm.engines.sweeps import native, variates
from bayesgmm.kernel.options import EXACT

ROUTINE = native.routine(__name__, density.ROUTINE)


def function(name):
    """The C function of the sweeps."""
    return native.sweeps(density.enter, _draw, _relabel)


@njit(**EXACT)
def _relabel(c, t, space):
    k, d = t.means.shape
    n_blocks = t.factors.shape[0]
    native.relabel(c[4 : 4 + k], n_blocks, (space.point.shape[0] - (k - 1) - k * d) // n_blocks, t, space)


@njit(**EXACT)
def _draw(c, t, space):
    u, stream = space.point, space.stream
    k, d = t.means.shape
    mean, spread = c[4 + k : 4 + k + d], c[4 + k + d :]
    variates.log_weights(c[4 : 4 + k], t.m0, space.logs, stream)
    for i in range(k - 1):
        u[i] = space.logs[i]
    n_factors = t.factors.shape[0]
    size = (u.shape[0] - (k - 1) - k * d) // n_factors
    for i in range(k):
        f = i if n_factors > 1 else 0
        native.condense(mean, c[0], i, t.factors[f], t.a[f], t)
    for f in range(n_factors):
        v = u[k - 1 + f * size : k - 1 + (f + 1) * size]
        if c[3] > 0:
            _draw_dense(f, c, spread.reshape(d, d), v, t, space)
        else:
            _draw_variances(f, c, spread, v, t, space)


@njit(**EXACT)
def _draw_dense(f, c, base, v, t, space):
    """One covariance, and the means of the components that have it."""
    k, d = t.means.shape
    first, last = (f, f + 1) if t.factors.shape[0] > 1 else (0, k)
    dof, root, a, ratio = c[1], t.m2[first], t.a[f], t.inverse[f]
    for i in range(d):
        for j in range(i + 1):
            for h in range(j + 1):
                root[i, j] += base[i, h] * base[j, h]
            for g in range(first + 1, last):
                root[i, j] += t.m2[g, i, j]
    for g in range(first, last):
        dof += t.m0[g]
    native.cholesky(root)
    variates.bartlett(dof, a, space.stream)
    _divide(root, base, ratio)
    place = 0
    for i in range(d):
        for j in range(i):
            s = 0.0
            for h in range(j, i + 1):
                s += a[i, h] * ratio[h, j]
            v[place + j] = s
        v[place + i] = math.log(a[i, i]) + math.log(ratio[i, i])
        place += i + 1
    for g in range(first, last):
        _draw_mean(g, c[0], root, a, t, space)


@njit(**EXACT)
def _divide(root, base, ratio):
    """C⁻¹ L₀, lower triangular."""
    d = root.shape[0]
    for j in range(d):
        for i in range(d):
            s = base[i, j] if i >= j else 0.0
            for h in range(j, i):
                s -= root[i, h] * ratio[h, j]
            ratio[i, j] = s / root[i, i] if i >= j else 0.0


@njit(**EXACT)
def _draw_mean(k, shrinkage, root, a, t, space):
    """m_n + C A_n⁻¹ ε / √(κ₀ + N)."""
    d, z, at = t.means.shape[1], t.gap[k], space.point.shape[0] - (t.means.shape[0] - k) * t.means.shape[1]
    width = 1.0 / math.sqrt(shrinkage + t.m0[k])
    for i in range(d):
        z[i] = width * variates.normal(space.stream)
    solve(a, z)
    for i in range(d):
        s = t.m1[k, i]
        for j in range(i + 1):
            s += root[i, j] * z[j]
        space.point[at + i] = s


@njit(**EXACT)
def _draw_variances(k, c, rates, v, t, space):
    """A variance for each feature, or one for all of them, and the mean."""
    d, n = t.means.shape[1], v.shape[0]
    at = space.point.shape[0] - (t.means.shape[0] - k) * d
    for j in range(n):
        rate = rates[j]
        for i in range(j, j + 1 if n > 1 else d):
            rate += 0.5 * t.m2[k, i, 0]
        shape = 0.5 * (c[1] + t.m0[k] * (1 if n > 1 else d))
        v[j] = math.log(rate) - variates.log_gamma(shape, space.stream)
    for i in range(d):
        sd = math.exp(0.5 * v[i if n > 1 else 0]) / math.sqrt(c[0] + t.m0[k])
        space.point[at + i] = t.m1[k, i] + sd * variates.normal(space.stream)
