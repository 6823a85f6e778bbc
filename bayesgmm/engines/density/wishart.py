"""Covariances under inverse-Wishart or inverse-gamma priors, natively.

Dense covariances are Σ = L Lᵀ with L = L₀ A⁻¹, L₀ a fixed factor: u has the entries of A row by row, logarithms on its
diagonal. Under InverseWishart(ν, L₀ L₀ᵀ)

    log p(A) = Σ_i (ν − D + i) log A_ii − ½ ‖A‖² + constant,   i from 1.

Diagonal ones have log σ² in u.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesgmm.engines.density.blocks import invert, multiply
from bayesgmm.kernel.options import EXACT


def constant(dof: float, d: int) -> float:
    """The constant of log p(A), for one covariance."""
    from scipy.special import multigammaln

    return d * np.log(2.0) - 0.5 * dof * d * np.log(2.0) - multigammaln(0.5 * dof, d)


def triangular(entries, d: int) -> np.ndarray:
    """The lower triangular matrices (…, D, D) of entries (…, D(D+1)/2), logarithms on the diagonal."""
    rows, columns = np.tril_indices(d)
    a = np.zeros((*entries.shape[:-1], d, d))
    a[..., rows, columns] = np.where(rows == columns, np.exp(entries), entries)
    return a


def entries(a) -> np.ndarray:
    """The entries (…, D(D+1)/2) of lower triangular matrices (…, D, D), logarithms on the diagonal."""
    rows, columns = np.tril_indices(a.shape[-1])
    found = a[..., rows, columns]
    found[..., rows == columns] = np.log(found[..., rows == columns])
    return found


def covariances(middle, base, layout) -> dict[str, np.ndarray]:
    """The free variables and the covariances, from their part of u (…, F, V); ``base`` is L₀ (D, D)."""
    lead, (k, d) = middle.shape[:-2], (layout.n_components, layout.n_features)
    if layout.is_dense:
        factors = base @ np.linalg.inv(triangular(middle, d))
        free = whole = factors @ factors.mT
        name, shape = ("covariance", (d, d)) if layout.n_blocks < k else ("covariances", (k, d, d))
    else:
        free = np.exp(middle)
        name, whole, shape = "variances", free[..., None] * np.eye(d), (k,) if layout.is_spherical else (k, d)
    return {name: free.reshape(*lead, *shape), "covariances": np.broadcast_to(whole, (*lead, k, d, d))}


def place(mixture, base, layout) -> np.ndarray:
    """Their part of u for a mixture of the family."""
    if layout.is_dense:
        factors = mixture.scale_trils[: layout.n_blocks]
        return entries(np.linalg.solve(factors, np.broadcast_to(base, factors.shape))).ravel()
    return np.log(np.diagonal(mixture.covariances, axis1=1, axis2=2))[:, : layout.n_variables].ravel()


@njit(**EXACT)
def read(v, a):
    """Fill a lower triangular matrix from its entries."""
    d, place = a.shape[0], 0
    for i in range(d):
        for j in range(d):
            a[i, j] = 0.0
        for j in range(i):
            a[i, j] = v[place + j]
        a[i, i] = math.exp(v[place + i])
        place += i + 1


@njit(**EXACT)
def enter_dense(v, dof, base, sharers, a, inverse, factor):
    """A and L = L₀ A⁻¹ of one covariance; its prior but for ‖A‖², and −log |L| for each mean whose prior it scales."""
    d, place, value = a.shape[0], 0, 0.0
    read(v, a)
    for i in range(d):
        place += i + 1
        value += (dof - d + 1 + i + sharers) * v[place - 1] - sharers * math.log(base[i * d + i])
    invert(a, inverse)
    multiply(base.reshape(d, d), inverse, factor)
    return value


@njit(**EXACT)
def half_square(a):
    """−½ ‖A‖²."""
    value = 0.0
    for i in range(a.shape[0]):
        for j in range(i + 1):
            value -= 0.5 * a[i, j] ** 2
    return value


@njit(**EXACT)
def enter_diagonal(v, factor):
    """Standard deviations of one component; v has log σ² of each feature, or one for all. The sum of log σ²."""
    d, n, total = factor.shape[0], v.shape[0], 0.0
    for j in range(d):
        factor[j, 0] = math.exp(0.5 * v[j if n > 1 else 0])
        total += v[j if n > 1 else 0]
    return total


@njit(**EXACT)
def inverse_gamma(v, shape, rates):
    """−shape log σ² − rate/σ² for every variance."""
    value = 0.0
    for j in range(v.shape[0]):
        value -= shape * v[j] + rates[j] * math.exp(-v[j])
    return value


@njit(**EXACT)
def leave_dense(n, m2, inverse, v, gradient):
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
def leave_bartlett(dof, a, gradient):
    """The same of log p(A), the logarithms on its diagonal being the variables."""
    d, place = a.shape[0], 0
    for i in range(d):
        for j in range(i + 1):
            gradient[place] += dof - d + 1 + i - a[i, i] ** 2 if i == j else -a[i, j]
            place += 1


@njit(**EXACT)
def leave_diagonal(n, m2, gradient):
    """d/d log σ² of −½ n log σ² − ½ m₂."""
    for j in range(m2.shape[0]):
        gradient[j if gradient.shape[0] > 1 else 0] += 0.5 * (m2[j, 0] - n)


@njit(**EXACT)
def leave_gamma(shape, rates, v, gradient):
    """The same of the inverse-gamma prior."""
    for j in range(v.shape[0]):
        gradient[j] += rates[j] * math.exp(-v[j]) - shape
