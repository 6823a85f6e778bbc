"""The conjugate prior's log density, natively: normal means given Σ_k, inverse Wishart or gamma Σ_k, Dirichlet π.

u is (weights, covariances, means), each as PyMC sees it in ``models/finite.py``. Dense covariances are Σ = L Lᵀ with
L = L₀ A⁻¹, L₀ = chol Ψ₀: u has the entries of A row by row, logarithms on its diagonal, and then

    log p(A) = Σ_i (ν₀ − D + i) log A_ii − ½ ‖A‖² + constant,   i from 1.

Diagonal ones have log σ² in u. The prior of a mean, N(m₀, Σ_k/κ₀), speaks like κ₀ rows at m₀, but for log |Σ_k|,
which counts once.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesgmm.engines.density.blocks import (
    centred_logs,
    density,
    enter_weights,
    invert,
    leave_weights,
    multiply,
    routine,
    simplex,
    solve,
    solve_transposed,
)
from bayesgmm.kernel.options import EXACT

ROUTINE = routine("conjugate", __name__, "conjugate")


def function(name):
    """The C function of the log density."""
    return density(enter, _leave)


def constants(prior, layout) -> np.ndarray:
    """What `enter` and `_leave` read: κ₀, ν₀, the constant, dense or not, α (K,), m₀ (D,), L₀ (D, D) or the rates."""
    from scipy.special import gammaln, multigammaln

    n_components, d = layout.n_components, layout.n_features
    alpha = np.broadcast_to(prior.concentration, (n_components,))
    dof, blocks = prior.dof, layout.n_blocks
    constant = gammaln(alpha.sum()) - gammaln(alpha).sum() + np.log(n_components)
    constant += 0.5 * n_components * d * np.log(prior.shrinkage / (2 * np.pi))
    if layout.is_dense:
        base = np.linalg.cholesky(prior.scale)
        constant += blocks * (d * np.log(2.0) - 0.5 * dof * d * np.log(2.0) - multigammaln(0.5 * dof, d))
        spread = base.ravel()
    else:
        spread = 0.5 * np.diag(prior.scale) if layout.n_variables == d else [0.5 * np.trace(prior.scale) / d]
        constant += blocks * np.sum(0.5 * dof * np.log(spread) - gammaln(0.5 * dof))
    return np.concatenate(([prior.shrinkage, dof, constant, layout.is_dense], alpha, prior.mean, spread))


def variables(u, prior, layout) -> dict[str, np.ndarray]:
    """The story's free variables, and its covariances, at points u (…, p)."""
    logs, middle, means = layout.split(u)
    found = {"weights": simplex(logs)}
    if layout.is_dense:
        a = _triangular(middle, layout.n_features)
        factors = np.linalg.cholesky(prior.scale) @ np.linalg.inv(a)
        covariances = factors @ factors.mT
    else:
        variances = np.exp(middle)
        covariances = variances[..., None] * np.eye(layout.n_features)
    found[layout.name] = (covariances if layout.is_dense else variances).reshape(*u.shape[:-1], *layout.shape)
    whole = (*u.shape[:-1], layout.n_components, layout.n_features, layout.n_features)
    return {**found, "means": means, "covariances": np.broadcast_to(covariances, whole)}


def place(mixture, prior, layout) -> np.ndarray:
    """The u (p,) of a mixture of the family whose weights are all positive."""
    if layout.is_dense:
        factors = mixture.scale_trils[: layout.n_blocks]
        a = np.linalg.solve(factors, np.broadcast_to(np.linalg.cholesky(prior.scale), factors.shape))
        rows, columns = np.tril_indices(layout.n_features)
        middle = a[:, rows, columns]
        middle[:, rows == columns] = np.log(middle[:, rows == columns])
    else:
        middle = np.log(np.diagonal(mixture.covariances, axis1=1, axis2=2))[:, : layout.n_variables]
    return np.concatenate([centred_logs(mixture.weights), middle.ravel(), mixture.means.ravel()])


def _triangular(entries, d) -> np.ndarray:
    rows, columns = np.tril_indices(d)
    a = np.zeros((*entries.shape[:-1], d, d))
    a[..., rows, columns] = np.where(rows == columns, np.exp(entries), entries)
    return a


@njit(**EXACT)
def enter(u, c, t):
    """The mixture at u, into t; the log prior density of u, Jacobian included."""
    k, d = t.means.shape
    alpha, mean, spread = c[4 : 4 + k], c[4 + k : 4 + k + d], c[4 + k + d :]
    value = c[2] + enter_weights(u, alpha, t.log_weights)
    n_factors = t.factors.shape[0]
    size = (u.shape[0] - (k - 1) - k * d) // n_factors
    for f in range(n_factors):
        v = u[k - 1 + f * size : k - 1 + (f + 1) * size]
        if c[3] > 0:
            value += _enter_dense(v, c[1], spread, k // n_factors, t.a[f], t.inverse[f], t.factors[f])
        else:
            value += _enter_diagonal(v, c[1], spread, k // n_factors, t.factors[f])
    for i in range(k):
        for j in range(d):
            t.means[i, j] = u[u.shape[0] - (k - i) * d + j]
            t.gap[i, j] = mean[j] - t.means[i, j]
        solve(t.factors[i if n_factors > 1 else 0], t.gap[i])
        for j in range(d):
            value -= 0.5 * c[0] * t.gap[i, j] ** 2
    return value


@njit(**EXACT)
def _enter_dense(v, dof, base, sharers, a, inverse, factor):
    """A and L = L₀ A⁻¹ of one covariance, and what their prior and that of the means that share it say."""
    d, place, value = a.shape[0], 0, 0.0
    for i in range(d):
        for j in range(d):
            a[i, j] = 0.0
        for j in range(i):
            a[i, j] = v[place + j]
        log_diagonal = v[place + i]
        a[i, i] = math.exp(log_diagonal)
        place += i + 1
        value += (dof - d + 1 + i + sharers) * log_diagonal - sharers * math.log(base[i * d + i])
        for j in range(i + 1):
            value -= 0.5 * a[i, j] ** 2
    invert(a, inverse)
    multiply(base.reshape(d, d), inverse, factor)
    return value


@njit(**EXACT)
def _enter_diagonal(v, dof, rates, sharers, factor):
    """Standard deviations of one component; v has log σ² of each feature, or one for all."""
    d, n, value = factor.shape[0], v.shape[0], 0.0
    for j in range(d):
        factor[j, 0] = math.exp(0.5 * v[j if n > 1 else 0])
        value -= 0.5 * sharers * v[j if n > 1 else 0]
    for j in range(n):
        value -= 0.5 * dof * v[j] + rates[j] * math.exp(-v[j])
    return value


@njit(**EXACT)
def _leave(u, c, t, gradient):
    k, d = t.means.shape
    alpha, spread = c[4 : 4 + k], c[4 + k + d :]
    leave_weights(alpha, t.log_weights, t.m0, gradient)
    n_factors, first = t.factors.shape[0], k - 1
    size = (u.shape[0] - first - k * d) // n_factors
    for i in range(k):
        _add_rows_of_the_prior(c[0], t.gap[i], t.m1[i], t.m2[i])
        f = i if n_factors > 1 else 0
        here = slice(first + f * size, first + (f + 1) * size)
        if c[3] > 0:
            _leave_dense(t.m0[i] + 1.0, t.m2[i], t.inverse[f], u[here], gradient[here])
        else:
            _leave_diagonal(t.m0[i] + 1.0, t.m2[i], gradient[here])
        solve_transposed(t.factors[f], t.m1[i])
        for j in range(d):
            gradient[u.shape[0] - (k - i) * d + j] = t.m1[i, j]
    for f in range(n_factors):
        here = slice(first + f * size, first + (f + 1) * size)
        if c[3] > 0:
            _leave_bartlett(c[1], t.a[f], gradient[here])
        else:
            _leave_gamma(c[1], spread, u[here], gradient[here])


@njit(**EXACT)
def _add_rows_of_the_prior(shrinkage, gap, m1, m2):
    for j in range(m1.shape[0]):
        m1[j] += shrinkage * gap[j]
        if m2.shape[1] > 1:
            for i in range(j + 1):
                m2[j, i] += shrinkage * gap[j] * gap[i]
        else:
            m2[j, 0] += shrinkage * gap[j] ** 2


@njit(**EXACT)
def _leave_dense(n, m2, inverse, v, gradient):
    """d/dA of n Σ log A_ii − ½ tr m₂, m₂ = A Y Aᵀ: n diag(A)⁻¹ − m₂ A⁻ᵀ, below the diagonal and on it."""
    d, place = m2.shape[0], 0
    for i in range(d):
        for j in range(i + 1):
            s = 0.0
            for h in range(j + 1):
                s += m2[max(i, h), min(i, h)] * inverse[j, h]
            gradient[place] += n - s * math.exp(v[place]) if i == j else -s
            place += 1


@njit(**EXACT)
def _leave_bartlett(dof, a, gradient):
    """The same of log p(A), the logarithms on its diagonal being the variables."""
    d, place = a.shape[0], 0
    for i in range(d):
        for j in range(i + 1):
            gradient[place] += dof - d + 1 + i - a[i, i] ** 2 if i == j else -a[i, j]
            place += 1


@njit(**EXACT)
def _leave_diagonal(n, m2, gradient):
    for j in range(m2.shape[0]):
        gradient[j if gradient.shape[0] > 1 else 0] += 0.5 * (m2[j, 0] - n)


@njit(**EXACT)
def _leave_gamma(dof, rates, v, gradient):
    for j in range(v.shape[0]):
        gradient[j] += rates[j] * math.exp(-v[j]) - 0.5 * dof
