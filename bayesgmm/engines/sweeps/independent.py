"""Under the semi-conjugate prior: means given covariances, then covariances given means.

    μ_k | Σ_k ~ Normal, by precisions: B₀⁻¹ of the prior, N_k Σ_k⁻¹ of the rows
    Σ_k | μ_k ~ InverseWishart(ν₀ + N_k, Ψ₀ + Σ_n (x_n − μ_k)(x_n − μ_k)ᵀ)

(Gelman et al. 2013, section 4.1; Frühwirth-Schnatter 2006, section 6.3.2).
"""

from __future__ import annotations

from numba import njit

from bayesgmm.engines.density import independent as density
from bayesgmm.engines.density.means import end as end_of_means
from bayesgmm.engines.density.weights import n_constants
from bayesgmm.engines.sweeps import means, native, weights
from bayesgmm.engines.sweeps.covariances import draw_dense, draw_variances
from bayesgmm.kernel.options import EXACT

ROUTINE = native.routine(__name__, density.ROUTINE, "means")


def function(name):
    """The C function of the sweeps."""
    return native.sweeps(density.enter, _draw)


@njit(**EXACT)
def _draw(constants, t, space):
    u, (k, d) = space.point, t.means.shape
    of_means = constants[n_constants(k) :]
    c = of_means[end_of_means(d) :]
    weights.draw(u, constants, t.m0, space.logs, space.stream)
    means.draw(of_means, t, space)
    first, size = native.covariances_in(constants, 0, t, space)
    for f in range(t.factors.shape[0]):
        v = u[first + f * size : first + (f + 1) * size]
        if c[2] > 0:
            base = c[3:].reshape(d, d)
            draw_dense(f, c[0], base, base, v, t, space.stream)
        else:
            draw_variances(f, 0.5 * c[0], c[3:], v, t, space.stream)
