"""Densities and draws of covariances and variances, which families put together."""

from __future__ import annotations

import numpy as np
from numpy.linalg import slogdet

_LOG_2, _LOG_PI = float(np.log(2.0)), float(np.log(np.pi))


def _gammaln(x):
    from scipy.special import gammaln

    return gammaln(x)


def log_inverse_wishart(covariances, dof, scale):
    """Log density of IW(dof, scale) at each of (…, D, D), every constant included; scale (D, D) or (…, D, D)."""
    n_features = scale.shape[-1]
    log_gamma = 0.25 * n_features * (n_features - 1) * _LOG_PI
    log_gamma += sum(_gammaln(0.5 * (dof - j)) for j in range(n_features))
    trace = np.trace(np.linalg.solve(covariances, np.broadcast_to(scale, covariances.shape)), axis1=-2, axis2=-1)
    constant = 0.5 * dof * slogdet(scale)[1] - 0.5 * dof * n_features * _LOG_2 - log_gamma
    return constant - 0.5 * (dof + n_features + 1) * slogdet(covariances)[1] - 0.5 * trace


def draw_wishart(shape, dof, scale, rng):
    """Draws (…, D, D) from Wishart(dof, scale), mean dof · scale, by Bartlett's decomposition (1933)."""
    factor = np.linalg.cholesky(scale) @ _bartlett(shape, dof, scale.shape[-1], rng)
    return factor @ factor.mT


def draw_inverse_wishart(shape, dof, scale, rng):
    """Draws (…, D, D) of Σ = L Lᵀ, L = chol(scale) A⁻¹."""
    d = scale.shape[-1]
    # Reversed, so that A, lower triangular, has the law of `ppl.inverse_wishart`: A_ii² ~ χ²(ν − D + i).
    a = _bartlett(shape, dof, d, rng, reverse=True)
    factor = np.linalg.cholesky(scale) @ np.linalg.inv(a)
    return factor @ factor.mT


def _bartlett(shape, dof, d, rng, reverse=False):
    """Lower triangular (…, D, D): standard normal below the diagonal, A_ii² ~ χ²(ν − i + 1) on it, or ν − D + i."""
    freedom = dof - np.arange(d)
    squares = rng.chisquare(freedom[::-1] if reverse else freedom, size=(*shape, d))
    return np.tril(rng.standard_normal((*shape, d, d)), -1) + np.sqrt(squares)[..., None] * np.eye(d)


def log_inverse_gamma(variances, shape, rate):
    """Log density of InvGamma(shape, rate) at variances, every constant included."""
    return shape * np.log(rate) - _gammaln(shape) - (shape + 1) * np.log(variances) - rate / variances
