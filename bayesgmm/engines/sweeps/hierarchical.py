"""Under the hierarchical prior: means given covariances, covariances given means and C₀, C₀ given covariances.

    μ_k | Σ_k ~ Normal, by precisions: B₀⁻¹ of the prior, N_k Σ_k⁻¹ of the rows
    Σ_k | μ_k, C₀ ~ InverseWishart(2c₀ + N_k, 2C₀ + Σ_n (x_n − μ_k)(x_n − μ_k)ᵀ)
    C₀ | Σ ~ Wishart(g₀ + F c₀, G₀ + Σ_k Σ_k⁻¹), F covariances, in the literature's parameters

(Richardson & Green 1997; Malsiner-Walli, Frühwirth-Schnatter & Grün 2016). With Σ_k = G A_k⁻¹ A_k⁻ᵀ Gᵀ and
G₀⁻¹ = G Gᵀ the last is 2C₀ = G B Bᵀ Gᵀ, B Bᵀ ~ a Wishart of 2(g₀ + F c₀) degrees of freedom and scale
(I + Σ_k A_kᵀ A_k)⁻¹ = (Tᵀ T)⁻¹: B = T⁻¹ A_n, A_n by Bartlett.
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.engines.density import hierarchical as density
from bayesgmm.engines.density.blocks import multiply
from bayesgmm.engines.density.means import end as end_of_means
from bayesgmm.engines.density.weights import n_constants
from bayesgmm.engines.density.wishart import read
from bayesgmm.engines.sweeps import means, native, triangular, variates, weights
from bayesgmm.engines.sweeps.covariances import draw_dense, draw_variances
from bayesgmm.kernel.options import EXACT

ROUTINE = native.routine(__name__, density.ROUTINE, "means")


def function(name):
    """The C function of the sweeps."""
    return native.sweeps(density.enter, _draw, above=1)


@njit(**EXACT)
def _draw(constants, t, space):
    u, (k, d) = space.point, t.means.shape
    of_means = constants[n_constants(k) :]
    c = of_means[end_of_means(d) :]
    weights.draw(u, constants, t.m0, space.logs, space.stream)
    means.draw(of_means, t, space)
    first, size = native.covariances_in(constants, 1, t, space)
    hyper, rest = u[first - size : first], u[first : u.shape[0] - k * d]
    if c[3] > 0:
        _draw_dense(c, hyper, rest, t, space.stream)
    else:
        _draw_diagonal(c, hyper, rest, t, space.stream)


@njit(**EXACT)
def _draw_dense(c, hyper, rest, t, stream):
    d, size, n_factors = t.means.shape[1], hyper.shape[0], t.factors.shape[0]
    base, root, b = c[4:].reshape(d, d), t.work[0], t.work[1]
    read(hyper, b)
    multiply(base, b, root)
    for f in range(n_factors):
        draw_dense(f, 2 * c[0], root, base, rest[f * size : (f + 1) * size], t, stream)
    for i in range(d):
        for j in range(d):
            root[i, j] = 1.0 if i == j else 0.0
    for f in range(n_factors):
        read(rest[f * size : (f + 1) * size], t.a[f])
        triangular.add_square(t.a[f], True, root)
    triangular.cholesky_turned(root)
    variates.bartlett(2 * (c[1] + n_factors * c[0]), b, False, stream)
    triangular.divide(root, b, t.inverse[0])
    triangular.write(t.inverse[0], hyper)


@njit(**EXACT)
def _draw_diagonal(c, hyper, rest, t, stream):
    size, k = hyper.shape[0], t.means.shape[0]
    rates = t.work[0, 0]
    for j in range(size):
        rates[j] = math.exp(hyper[j])
    for f in range(k):
        draw_variances(f, c[0], rates, rest[f * size : (f + 1) * size], t, stream)
    for j in range(size):
        rate = c[4 + j]
        for f in range(k):
            rate += math.exp(-rest[f * size + j])
        hyper[j] = variates.log_gamma(c[1] + k * c[0], stream) - math.log(rate)
