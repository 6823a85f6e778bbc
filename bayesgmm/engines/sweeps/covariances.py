"""Covariances given the scatter of their rows: from inverse Wishart and inverse gamma distributions.

Dense: Σ ~ InverseWishart(ν, H Hᵀ + S). With H Hᵀ + S = C Cᵀ the draw is Σ = L Lᵀ, L = C A_n⁻¹, where A_nᵀ A_n is a
standard Wishart by Bartlett. What u has is A = L⁻¹ L₀ = A_n C⁻¹ L₀: no matrix is inverted.
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.engines.sweeps import triangular, variates
from bayesgmm.kernel.options import EXACT


@njit(**EXACT)
def sharers(f, t):
    """The components whose covariance is number f: from the first up to the last."""
    return (f, f + 1) if t.factors.shape[0] > 1 else (0, t.means.shape[0])


@njit(**EXACT)
def draw_dense(f, dof, root, base, v, t, stream):
    """Covariance f into v, given ``root`` = H, ``base`` = L₀ and the scatters in m₂.

    Leaves C in the m₂ of its first component, and A_n in its a.
    """
    draw_wishart(f, dof, root, t, stream)
    triangular.divide(t.m2[sharers(f, t)[0]], base, t.inverse[f])
    _write_product(t.a[f], t.inverse[f], v)


@njit(**EXACT)
def draw_wishart(f, dof, root, t, stream):
    """C and A_n of covariance f, into the m₂ of its first component and into its a."""
    first, last = sharers(f, t)
    total = t.m2[first]
    triangular.add_square(root, False, total)
    for g in range(first, last):
        dof += t.m0[g]
        for i in range(total.shape[0] if g > first else 0):
            for j in range(i + 1):
                total[i, j] += t.m2[g, i, j]
    triangular.cholesky(total)
    variates.bartlett(dof, t.a[f], True, stream)


@njit(**EXACT)
def _write_product(a, b, v):
    """`triangular.write` of A B."""
    place = 0
    for i in range(a.shape[0]):
        for j in range(i + 1):
            s = 0.0
            for h in range(j, i + 1):
                s += a[i, h] * b[h, j]
            v[place] = math.log(s) if i == j else s
            place += 1


@njit(**EXACT)
def draw_variances(k, shape, rates, v, t, stream):
    """Logarithms of variances of component k into v, of each feature or of all, given the scatters in m₂.

    σ² ~ InverseGamma(shape + ½ N, rate + ½ S): N and S of one feature, or of all together. ``rates`` has one a number.
    """
    d, n = t.means.shape[1], v.shape[0]
    for j in range(n):
        rate = rates[j]
        for i in range(j, j + 1 if n > 1 else d):
            rate += 0.5 * t.m2[k, i, 0]
        count = t.m0[k] * (1 if n > 1 else d)
        v[j] = math.log(rate) - variates.log_gamma(shape + 0.5 * count, stream)
