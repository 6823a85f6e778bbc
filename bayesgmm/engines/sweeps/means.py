"""Means that know nothing of the covariances, μ_k ~ N(m₀, B₀), given labels and the covariances before.

With B₀ = B Bᵀ and μ_k = m₀ + B w the prior of w is standard normal, and R = L⁻¹ B takes it to where the rows are white:
w ~ N(P⁻¹ Rᵀ N L⁻¹ (x̄ − m₀), P⁻¹), P = I + N Rᵀ R, which is well conditioned wherever B₀ and Σ_k are.
"""

from __future__ import annotations

from numba import njit

from bayesgmm.engines.density.blocks import solve, solve_transposed
from bayesgmm.engines.sweeps import triangular, variates
from bayesgmm.kernel.options import EXACT


@njit(**EXACT)
def draw(c, t, space):
    """All means into u; m₂ becomes the scatter of each component's rows about its new mean, in data units.

    ``c`` are the constants of `density.means`.
    """
    for k in range(t.means.shape[0]):
        factor = t.factors[k if t.factors.shape[0] > 1 else 0]
        _draw_mean(k, c, factor, t, space)
        _recentre(k, factor, t)


@njit(**EXACT)
def _draw_mean(k, c, factor, t, space):
    """One mean into u; its distance L⁻¹ (μ_new − μ_old) into the gap."""
    d, n, z, u = t.means.shape[1], t.m0[k], t.gap[k], space.point
    at = u.shape[0] - (t.means.shape[0] - k) * d
    base, ratio, root = c[d : d + d * d].reshape(d, d), t.work[0], t.work[1]
    triangular.divide(factor, base, ratio)
    for i in range(d):
        z[i] = t.means[k, i] - c[i]
    solve(factor, z)
    for i in range(d):
        z[i] = n * z[i] + t.m1[k, i]
    for i in range(d):
        s = 0.0
        for h in range(i, d):
            s += ratio[h, i] * z[h]
        z[i] = s
        for j in range(i + 1):
            s = 0.0
            for h in range(i, d):
                s += ratio[h, i] * ratio[h, j]
            root[i, j] = n * s + (1.0 if i == j else 0.0)
    triangular.cholesky(root)
    solve(root, z)
    for i in range(d):
        z[i] += variates.normal(space.stream)
    solve_transposed(root, z)
    for i in range(d):
        s = c[i]
        for h in range(i + 1):
            s += base[i, h] * z[h]
        u[at + i] = s
    for i in range(d):
        z[i] = u[at + i] - t.means[k, i]
    solve(factor, z)


@njit(**EXACT)
def _recentre(k, factor, t):
    """m₂ about the new mean: that about the rows' own, and N times the square of what is between the two."""
    n, m1, m2, z = t.m0[k], t.m1[k], t.m2[k], t.gap[k]
    share = 1.0 / n if n > 0.0 else 0.0
    for i in range(m1.shape[0]):
        own = share * m1[i] - z[i]
        if m2.shape[1] > 1:
            for j in range(i + 1):
                m2[i, j] += n * own * (share * m1[j] - z[j]) - share * m1[i] * m1[j]
        else:
            m2[i, 0] = factor[i, 0] ** 2 * (m2[i, 0] + n * own * own - share * m1[i] ** 2)
    if m2.shape[1] > 1:
        triangular.sandwich(factor, m2, t.work[0])
