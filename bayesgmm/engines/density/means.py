"""Normal means that know nothing of the covariances, at the end of u: μ_k ~ N(m₀, B₀). Constants: m₀ (D,), chol B₀."""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesgmm.engines.density.blocks import solve, solve_transposed
from bayesgmm.kernel.options import EXACT


def constants(prior) -> np.ndarray:
    """What `enter` and `leave` read."""
    return np.concatenate([prior.mean, np.linalg.cholesky(prior.mean_covariance).ravel()])


def constant(prior, n_components: int) -> float:
    """The part of the log density that depends on no variable."""
    half_log_det = np.log(np.diag(np.linalg.cholesky(prior.mean_covariance))).sum()
    return -n_components * (half_log_det + 0.5 * len(prior.mean) * np.log(2 * np.pi))


@njit(**EXACT)
def end(d):
    """How many constants these are."""
    return d + d * d


@njit(**EXACT)
def enter(u, c, t):
    """Means from u, and −½ Σ_k ‖B^−½ (μ_k − m₀)‖²; the gap keeps what `leave` needs."""
    k, d = t.means.shape
    base, value = c[d : d + d * d].reshape(d, d), 0.0
    for i in range(k):
        for j in range(d):
            t.means[i, j] = u[u.shape[0] - (k - i) * d + j]
            t.gap[i, j] = c[j] - t.means[i, j]
        solve(base, t.gap[i])
        for j in range(d):
            value -= 0.5 * t.gap[i, j] ** 2
        solve_transposed(base, t.gap[i])
    return value


@njit(**EXACT)
def leave(t, gradient):
    """The slopes of the means: L⁻ᵀ m₁ of the rows, B₀⁻¹ (m₀ − μ_k) of the prior."""
    k, d = t.means.shape
    for i in range(k):
        solve_transposed(t.factors[i if t.factors.shape[0] > 1 else 0], t.m1[i])
        for j in range(d):
            gradient[gradient.shape[0] - (k - i) * d + j] = t.m1[i, j] + t.gap[i, j]
