"""The LKJ prior's log density, natively: normal means, standard deviations and correlations apart, Dirichlet π.

u is (weights, scales, correlations, means), each as PyMC sees it in ``models/lkj.py``: log s, and for each row i of the
factor of R what stands left of its diagonal, over what stands on it, y_i. With r_i = √(1 + ‖y_i‖²)

    L_ij = s_i y_ij / r_i,  L_ii = s_i / r_i,  log p(y) = −(2η + D − 1) Σ_i log r_i + constant.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesgmm.engines.density import means as of_means
from bayesgmm.engines.density import weights
from bayesgmm.engines.density.blocks import density, routine
from bayesgmm.engines.density.means import end as end_of_means
from bayesgmm.engines.density.means import enter as enter_means
from bayesgmm.engines.density.means import leave as leave_means
from bayesgmm.engines.density.weights import end, n_constants
from bayesgmm.engines.density.weights import enter as enter_weights
from bayesgmm.engines.density.weights import leave as leave_weights
from bayesgmm.families import Tied
from bayesgmm.kernel.options import EXACT
from bayesgmm.priors import HalfNormal, HalfStudentT, InverseGamma, LogNormal
from bayesgmm.priors.lkj import log_lkj_constant

ROUTINE = routine("lkj", __name__, "means", "lkj")
LOG_NORMAL, INVERSE_GAMMA, HALF_NORMAL, HALF_T = range(4)


def function(name):
    """The C function of the log density."""
    return density(_enter, _leave)


def constants(prior, layout) -> np.ndarray:
    """The weights', the means', 2η + D − 1, the constant, dense or not, and the scales': kind, parameter, units."""
    d, scales = layout.n_features, prior.scales.pooled() if layout.is_spherical else prior.scales
    kind, parameter, unit, own = _of_scales(scales)
    constant = layout.n_blocks * own.sum()
    if layout.is_dense:
        constant += layout.n_blocks * log_lkj_constant(prior.eta, d)
    head = [2 * prior.eta + d - 1, constant + of_means.constant(prior, layout.n_components), layout.is_dense]
    first = weights.constants(prior.concentration, layout.n_components)
    return np.concatenate((first, of_means.constants(prior), head, [kind, parameter], unit))


def _of_scales(scales):
    """Kind, parameter, units (V,) and constants (V,) of the log density of log s."""
    from scipy.special import gammaln

    unit = np.atleast_1d(getattr(scales, scales.UNIT))
    match scales:
        case LogNormal(_, sd):
            return LOG_NORMAL, sd, unit, np.full(len(unit), -np.log(sd) - 0.5 * np.log(2 * np.pi))
        case InverseGamma(shape, _):
            return INVERSE_GAMMA, shape, unit, shape * np.log(unit) - gammaln(shape)
        case HalfNormal():
            return HALF_NORMAL, 0.0, unit, 0.5 * np.log(2 / np.pi) - np.log(unit)
        case HalfStudentT(dof, _):
            own = np.log(2) + gammaln((dof + 1) / 2) - gammaln(dof / 2) - 0.5 * np.log(dof * np.pi)
            return HALF_T, dof, unit, own - np.log(unit)


def _parts(middle, layout):
    """Scales (…, F, D or 1), and y (…, F, D(D−1)/2) if dense, of their part of u, which is not block by block."""
    lead, f = middle.shape[:-2], layout.n_blocks
    flat = middle.reshape(*lead, -1)
    n = layout.n_features if layout.is_dense else layout.n_variables
    return np.exp(flat[..., : f * n]).reshape(*lead, f, n), flat[..., f * n :].reshape(*lead, f, -1)


def variables(u, prior, layout) -> dict[str, np.ndarray]:
    """The story's free variables, and its covariances, at points u (…, p)."""
    _, middle, means = layout.split(u)
    (scales, y), d, lead = _parts(middle, layout), layout.n_features, u.shape[:-1]
    found, one = weights.variables(u, layout), isinstance(layout.family, Tied)
    if layout.is_dense:
        rows = np.zeros((*y.shape[:-1], d, d)) + np.eye(d)
        rows[(..., *np.tril_indices(d, -1))] = y
        rows /= np.sqrt((rows**2).sum(axis=-1, keepdims=True))
        correlations = rows @ rows.mT
        covariances = scales[..., :, None] * correlations * scales[..., None, :]
        found["correlation" if one else "correlations"] = correlations[..., 0, :, :] if one else correlations
    else:
        covariances = (scales**2)[..., None] * np.eye(d)
    found["scales"] = scales[..., 0] if layout.is_spherical else scales[..., 0, :] if one else scales
    return {**found, "means": means, "covariances": np.broadcast_to(covariances, (*lead, layout.n_components, d, d))}


def place(mixture, prior, layout) -> np.ndarray:
    """The u (p,) of a mixture of the family whose weights are all positive."""
    scales = 0.5 * np.log(np.diagonal(mixture.covariances, axis1=1, axis2=2))[: layout.n_blocks]
    parts = [weights.place(mixture.weights, prior, layout)]
    if layout.is_dense:
        rows, columns = np.tril_indices(layout.n_features, -1)
        factors = mixture.scale_trils[: layout.n_blocks]
        parts += [scales.ravel(), (factors[:, rows, columns] / factors[:, rows, rows]).ravel()]
    else:
        parts += [scales[:, : layout.n_variables].ravel()]
    return np.concatenate([*parts, mixture.means.ravel()])


@njit(**EXACT)
def _enter(u, constants, t):
    k, d = t.means.shape
    c = constants[n_constants(k) + end_of_means(d) :]
    value = c[1] + enter_weights(u, constants, t.log_weights) + enter_means(u, constants[n_constants(k) :], t)
    n_factors, first, dense = t.factors.shape[0], end(constants, k), c[2] > 0
    n, size = c.shape[0] - 5, d * (d - 1) // 2
    y = first + n_factors * n
    for f in range(n_factors):
        s = u[first + f * n : first + (f + 1) * n]
        for j in range(n):
            value += _log_scale(c[3], c[4], c[5 + j], s[j])
        if dense:
            value -= c[0] * _enter_factor(s, u[y + f * size : y + (f + 1) * size], t.factors[f])
        else:
            for j in range(d):
                t.factors[f, j, 0] = math.exp(s[j if n > 1 else 0])
    return value


@njit(**EXACT)
def _log_scale(kind, parameter, unit, v):
    """The log density of v = log s, but for constants."""
    if kind == LOG_NORMAL:
        return -0.5 * ((v - math.log(unit)) / parameter) ** 2
    if kind == INVERSE_GAMMA:
        return -parameter * v - unit * math.exp(-v)
    square = (math.exp(v) / unit) ** 2
    if kind == HALF_NORMAL:
        return v - 0.5 * square
    return v - 0.5 * (parameter + 1) * math.log1p(square / parameter)


@njit(**EXACT)
def _slope_of_scale(kind, parameter, unit, v):
    if kind == LOG_NORMAL:
        return -(v - math.log(unit)) / parameter**2
    if kind == INVERSE_GAMMA:
        return unit * math.exp(-v) - parameter
    square = (math.exp(v) / unit) ** 2
    if kind == HALF_NORMAL:
        return 1.0 - square
    return 1.0 - (parameter + 1) * square / (parameter + square)


@njit(**EXACT)
def _enter_factor(s, y, factor):
    """L; and Σ_i log r_i."""
    d, place, total = factor.shape[0], 0, 0.0
    for i in range(d):
        square = 0.0
        for j in range(i):
            square += y[place + j] ** 2
        diagonal = math.exp(s[i]) / math.sqrt(1.0 + square)
        for j in range(d):
            factor[i, j] = diagonal * y[place + j] if j < i else 0.0
        factor[i, i] = diagonal
        total += 0.5 * math.log1p(square)
        place += i
    return total


@njit(**EXACT)
def _leave(u, constants, t, gradient):
    k, d = t.means.shape
    c = constants[n_constants(k) + end_of_means(d) :]
    leave_weights(u, constants, t.log_weights, t.m0, gradient)
    leave_means(t, gradient)
    n_factors, first, dense = t.factors.shape[0], end(constants, k), c[2] > 0
    n, size = c.shape[0] - 5, d * (d - 1) // 2
    y = first + n_factors * n
    for i in range(k):
        f = i if n_factors > 1 else 0
        here, below = slice(first + f * n, first + (f + 1) * n), slice(y + f * size, y + (f + 1) * size)
        if dense:
            _leave_factor(t.m0[i], t.m2[i], t.factors[f], u[here], u[below], t.work[0], gradient[here], gradient[below])
        else:
            for j in range(d):
                gradient[here][j if n > 1 else 0] += t.m2[i, j, 0] - t.m0[i]
    for f in range(n_factors):
        for j in range(n):
            gradient[first + f * n + j] += _slope_of_scale(c[3], c[4], c[5 + j], u[first + f * n + j])
        if dense:
            below = slice(y + f * size, y + (f + 1) * size)
            _leave_rows(c[0], u[first + f * n : first + (f + 1) * n], u[below], t.factors[f], gradient[below])


@njit(**EXACT)
def _leave_factor(n, m2, factor, s, y, solved, of_s, of_y):
    """From the slopes of Q in L, G = L⁻ᵀ m₂ − n diag(L)⁻¹, those in u.

    They are q_i = Σ_h G_ih L_ih for log s_i, and L_ii G_ij − y_ij q_i / r_i² for y_ij.
    """
    d, place = factor.shape[0], 0
    for j in range(d):
        for i in range(d - 1, j - 1, -1):
            solved[i, j] = m2[i, j]
            for h in range(i + 1, d):
                solved[i, j] -= factor[h, i] * solved[h, j]
            solved[i, j] /= factor[i, i]
    for i in range(d):
        q, diagonal = -n, factor[i, i]
        for h in range(i + 1):
            q += solved[i, h] * factor[i, h]
        of_s[i] += q
        inverse_square = (diagonal * math.exp(-s[i])) ** 2
        for j in range(i):
            of_y[place + j] += diagonal * solved[i, j] - y[place + j] * q * inverse_square
        place += i


@njit(**EXACT)
def _leave_rows(power, s, y, factor, gradient):
    """d/dy of −power Σ log r_i."""
    place = 0
    for i in range(factor.shape[0]):
        inverse_square = (factor[i, i] * math.exp(-s[i])) ** 2
        for j in range(i):
            gradient[place + j] -= power * y[place + j] * inverse_square
        place += i
