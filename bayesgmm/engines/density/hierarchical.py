"""The hierarchical prior's log density, natively: normal means, covariances with a random scale C₀, Dirichlet π.

u is (weights, rate, covariances, means), each as PyMC sees it in ``models/hierarchical.py``. With G = chol(G₀⁻¹), dense
covariances are Σ_k = G A_k⁻¹ A_k⁻ᵀ Gᵀ and 2 C₀ = G B Bᵀ Gᵀ: u has the entries of B and of the A_k row by row,
logarithms on their diagonals, and then

    log p(A_k | B) = Σ_i (2c₀ − D + i) log A_k,ii + 2c₀ Σ_i log B_ii − ½ ‖A_k B‖² + constant,
    log p(B) = Σ_i (2g₀ − i + 1) log B_ii − ½ ‖B‖² + constant,   i from 1.

Diagonal ones have log C₀ and log σ² in u.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesgmm.engines.density import means as of_means
from bayesgmm.engines.density import weights, wishart
from bayesgmm.engines.density.blocks import density, multiply, routine
from bayesgmm.engines.density.means import end as end_of_means
from bayesgmm.engines.density.means import enter as enter_means
from bayesgmm.engines.density.means import leave as leave_means
from bayesgmm.engines.density.weights import end, n_constants
from bayesgmm.engines.density.weights import enter as enter_weights
from bayesgmm.engines.density.weights import leave as leave_weights
from bayesgmm.engines.density.wishart import (
    enter_dense,
    enter_diagonal,
    half_square,
    leave_dense,
    leave_diagonal,
    read,
)
from bayesgmm.kernel.options import EXACT

# C₀ lies between the weights and the covariances, and is as long as one of them.
HAS_HYPER = True
ROUTINE = routine("hierarchical", __name__, "means", "wishart", "hierarchical")


def function(name):
    """The C function of the log density."""
    return density(enter, _leave)


def constants(prior, layout) -> np.ndarray:
    """The weights', the means', c₀, g₀, the constant, dense or not, and G (D, D) or the rates of C₀."""
    from scipy.special import gammaln, multigammaln

    c, g, d = prior.shape, prior.rate_shape, layout.n_features
    if layout.is_dense:
        own = layout.n_blocks * wishart.constant(2 * c, d)
        own += (1 - g) * d * np.log(2.0) - multigammaln(g, d)
        spread = _base(prior).ravel()
    else:
        spread = np.array([prior.pooled_rate_rate]) if layout.is_spherical else np.diag(prior.rate_rate)
        own = np.sum(g * np.log(spread) - gammaln(g)) - layout.n_blocks * layout.n_variables * gammaln(c)
    head = [c, g, own + of_means.constant(prior, layout.n_components), layout.is_dense]
    first = weights.constants(prior.concentration, layout.n_components)
    return np.concatenate((first, of_means.constants(prior), head, spread))


def _base(prior) -> np.ndarray:
    return np.linalg.cholesky(np.linalg.inv(prior.rate_rate))


def variables(u, prior, layout) -> dict[str, np.ndarray]:
    """The story's free variables, and its covariances, at points u (…, p)."""
    _, middle, means = layout.split(u)
    hyper, base, d = layout.hyper(u), _base(prior), layout.n_features
    if layout.is_dense:
        factor = base @ wishart.triangular(hyper, d)
        rate = 0.5 * factor @ factor.mT
    else:
        rate = np.exp(hyper[..., 0] if layout.is_spherical else hyper)
    found = {**weights.variables(u, layout), "rate": rate}
    return {**found, **wishart.covariances(middle, base, layout), "means": means}


def place(mixture, prior, layout) -> np.ndarray:
    """The u (p,) of a mixture of the family whose weights are all positive, with C₀ where they have it on average."""
    base, first = _base(prior), weights.place(mixture.weights, prior, layout)
    rate = prior.rate_given(mixture.covariances, layout.family)
    if layout.is_dense:
        hyper = wishart.entries(np.linalg.solve(base, np.linalg.cholesky(2 * rate)))
    else:
        hyper = np.log(np.diag(rate))[: layout.n_variables]
    return np.concatenate([first, hyper, wishart.place(mixture, base, layout), mixture.means.ravel()])


@njit(**EXACT)
def enter(u, constants, t):
    """The mixture at u, into t; the log prior density of u, Jacobian included."""
    k, d = t.means.shape
    c = constants[n_constants(k) + end_of_means(d) :]
    value = c[2] + enter_weights(u, constants, t.log_weights) + enter_means(u, constants[n_constants(k) :], t)
    n_factors, first = t.factors.shape[0], end(constants, k)
    size = (u.shape[0] - first - k * d) // (n_factors + 1)
    hyper = u[first : first + size]
    if c[3] > 0:
        value += _enter_scale(hyper, c, n_factors, t.work[0])
    for f in range(n_factors):
        v = u[first + (f + 1) * size : first + (f + 2) * size]
        if c[3] > 0:
            value += enter_dense(v, 2 * c[0], c[4:], 0, t.a[f], t.inverse[f], t.factors[f])
            multiply(t.a[f], t.work[0], t.work[1])
            value += half_square(t.work[1])
        else:
            enter_diagonal(v, t.factors[f])
            for j in range(size):
                value += c[0] * (hyper[j] - v[j]) - math.exp(hyper[j] - v[j])
    for j in range(size if c[3] == 0 else 0):
        value += c[1] * hyper[j] - c[4 + j] * math.exp(hyper[j])
    return value


@njit(**EXACT)
def _enter_scale(v, c, n_factors, b):
    """B, and what the prior says of it, with what those of the covariances say of its diagonal."""
    place, value = -1, 0.0
    read(v, b)
    for i in range(b.shape[0]):
        place += i + 1
        value += (2 * c[1] - i + 2 * c[0] * n_factors) * v[place]
    return value + half_square(b)


@njit(**EXACT)
def _leave(u, constants, t, gradient):
    k, d = t.means.shape
    c = constants[n_constants(k) + end_of_means(d) :]
    leave_weights(u, constants, t.log_weights, t.m0, gradient)
    leave_means(t, gradient)
    n_factors, first = t.factors.shape[0], end(constants, k)
    size = (u.shape[0] - first - k * d) // (n_factors + 1)
    for i in range(k):
        f = i if n_factors > 1 else 0
        here = slice(first + (f + 1) * size, first + (f + 2) * size)
        if c[3] > 0:
            leave_dense(t.m0[i], t.m2[i], t.inverse[f], u[here], gradient[here])
        else:
            leave_diagonal(t.m0[i], t.m2[i], gradient[here])
    top = slice(first, first + size)
    if c[3] > 0:
        _leave_scale(c, n_factors, t.work[0], gradient[top])
    else:
        for j in range(size):
            gradient[first + j] += c[1] - c[4 + j] * math.exp(u[first + j])
    for f in range(n_factors):
        here = slice(first + (f + 1) * size, first + (f + 2) * size)
        if c[3] > 0:
            multiply(t.a[f], t.work[0], t.work[1])
            _leave_product(2 * c[0], t.a[f], t.work[0], t.work[1], gradient[here], gradient[top])
        else:
            _leave_ratio(c[0], u[top], u[here], gradient[top], gradient[here])


@njit(**EXACT)
def _leave_scale(c, n_factors, b, gradient):
    """d/du of log p(B) and of 2c₀ F Σ log B_ii."""
    place = 0
    for i in range(b.shape[0]):
        for j in range(i + 1):
            gradient[place] += 2 * c[1] - i + 2 * c[0] * n_factors - b[i, i] ** 2 if i == j else -b[i, j]
            place += 1


@njit(**EXACT)
def _leave_product(dof, a, b, product, of_a, of_b):
    """d/du of Σ_i (ν − D + i) log A_ii − ½ ‖P‖², P = A B: −P Bᵀ for A, −Aᵀ P for B."""
    d, place = a.shape[0], 0
    for i in range(d):
        for j in range(i + 1):
            s = r = 0.0
            for h in range(j + 1):
                s += product[i, h] * b[j, h]
            for h in range(i, d):
                r += a[h, i] * product[h, j]
            of_a[place] += dof - d + 1 + i - a[i, i] * s if i == j else -s
            of_b[place] -= r * b[i, i] if i == j else r
            place += 1


@njit(**EXACT)
def _leave_ratio(shape, log_rate, log_variance, of_rate, of_variance):
    """d/du of c₀ log (C/σ²) − C/σ²."""
    for j in range(log_rate.shape[0]):
        slope = shape - math.exp(log_rate[j] - log_variance[j])
        of_rate[j] += slope
        of_variance[j] -= slope
