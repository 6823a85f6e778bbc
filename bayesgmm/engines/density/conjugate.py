"""The conjugate prior's log density, natively: normal means given Σ_k, inverse Wishart or gamma Σ_k, Dirichlet π.

u is (weights, covariances, means), each as PyMC sees it in ``models/finite.py``. The prior of a mean, N(m₀, Σ_k/κ₀),
speaks like κ₀ rows at m₀, but for log |Σ_k|, which counts once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesgmm.engines.density import weights, wishart
from bayesgmm.engines.density.blocks import density, routine, solve, solve_transposed
from bayesgmm.engines.density.weights import end, n_constants
from bayesgmm.engines.density.weights import enter as enter_weights
from bayesgmm.engines.density.weights import leave as leave_weights
from bayesgmm.engines.density.wishart import (
    enter_dense,
    enter_diagonal,
    half_square,
    inverse_gamma,
    leave_bartlett,
    leave_dense,
    leave_diagonal,
    leave_gamma,
)
from bayesgmm.kernel.options import EXACT

ROUTINE = routine("conjugate", __name__, "wishart", "conjugate")


def function(name):
    """The C function of the log density."""
    return density(enter, _leave)


def constants(prior, layout) -> np.ndarray:
    """The weights', κ₀, ν₀, the constant, dense or not, m₀ (D,), and L₀ (D, D) or the rates."""
    constant = 0.5 * layout.n_components * layout.n_features * np.log(prior.shrinkage / (2 * np.pi))
    own, spread = wishart_constants(prior, layout)
    head = [prior.shrinkage, prior.dof, constant + own, layout.is_dense]
    return np.concatenate((weights.constants(prior.concentration, layout.n_components), head, prior.mean, spread))


def wishart_constants(prior, layout) -> tuple[float, np.ndarray]:
    """The constant of the covariances' prior, and L₀ or the rates."""
    from scipy.special import gammaln

    d, blocks = layout.n_features, layout.n_blocks
    if layout.is_dense:
        return blocks * wishart.constant(prior.dof, d), np.linalg.cholesky(prior.scale).ravel()
    rates = np.array([0.5 * np.trace(prior.scale) / d]) if layout.is_spherical else 0.5 * np.diag(prior.scale)
    return blocks * np.sum(0.5 * prior.dof * np.log(rates) - gammaln(0.5 * prior.dof)), rates


def variables(u, prior, layout) -> dict[str, np.ndarray]:
    """The story's free variables, and its covariances, at points u (…, p)."""
    _, middle, means = layout.split(u)
    base = np.linalg.cholesky(prior.scale)
    return {**weights.variables(u, layout), **wishart.covariances(middle, base, layout), "means": means}


def place(mixture, prior, layout) -> np.ndarray:
    """The u (p,) of a mixture of the family whose weights are all positive."""
    first, base = weights.place(mixture.weights, prior, layout), np.linalg.cholesky(prior.scale)
    return np.concatenate([first, wishart.place(mixture, base, layout), mixture.means.ravel()])


@njit(**EXACT)
def enter(u, constants, t):
    """The mixture at u, into t; the log prior density of u, Jacobian included."""
    k, d = t.means.shape
    c = constants[n_constants(k) :]
    mean, spread = c[4 : 4 + d], c[4 + d :]
    value = c[2] + enter_weights(u, constants, t.log_weights)
    n_factors, first = t.factors.shape[0], end(constants, k)
    size = (u.shape[0] - first - k * d) // n_factors
    for f in range(n_factors):
        v = u[first + f * size : first + (f + 1) * size]
        if c[3] > 0:
            value += enter_dense(v, c[1], spread, k // n_factors, t.a[f], t.inverse[f], t.factors[f])
            value += half_square(t.a[f])
        else:
            value -= 0.5 * (k // n_factors) * enter_diagonal(v, t.factors[f])
            value += inverse_gamma(v, 0.5 * c[1], spread)
    for i in range(k):
        for j in range(d):
            t.means[i, j] = u[u.shape[0] - (k - i) * d + j]
            t.gap[i, j] = mean[j] - t.means[i, j]
        solve(t.factors[i if n_factors > 1 else 0], t.gap[i])
        for j in range(d):
            value -= 0.5 * c[0] * t.gap[i, j] ** 2
    return value


@njit(**EXACT)
def _leave(u, constants, t, gradient):
    k, d = t.means.shape
    c = constants[n_constants(k) :]
    spread = c[4 + d :]
    leave_weights(u, constants, t.log_weights, t.m0, gradient)
    n_factors, first = t.factors.shape[0], end(constants, k)
    size = (u.shape[0] - first - k * d) // n_factors
    for i in range(k):
        _add_rows_of_the_prior(c[0], t.gap[i], t.m1[i], t.m2[i])
        f = i if n_factors > 1 else 0
        here = slice(first + f * size, first + (f + 1) * size)
        if c[3] > 0:
            leave_dense(t.m0[i] + 1.0, t.m2[i], t.inverse[f], u[here], gradient[here])
        else:
            leave_diagonal(t.m0[i] + 1.0, t.m2[i], gradient[here])
        solve_transposed(t.factors[f], t.m1[i])
        for j in range(d):
            gradient[u.shape[0] - (k - i) * d + j] = t.m1[i, j]
    for f in range(n_factors):
        here = slice(first + f * size, first + (f + 1) * size)
        if c[3] > 0:
            leave_bartlett(c[1], t.a[f], gradient[here])
        else:
            leave_gamma(0.5 * c[1], spread, u[here], gradient[here])


@njit(**EXACT)
def _add_rows_of_the_prior(shrinkage, gap, m1, m2):
    for j in range(m1.shape[0]):
        m1[j] += shrinkage * gap[j]
        if m2.shape[1] > 1:
            for i in range(j + 1):
                m2[j, i] += shrinkage * gap[j] * gap[i]
        else:
            m2[j, 0] += shrinkage * gap[j] ** 2
