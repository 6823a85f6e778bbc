"""A mixture's parameters as the blocks of rows use them, made once a pass."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.refine import growth

# A shared factor whitens the rows once only if that loses no more digits than this factor.
SAFE_SHIFT = 1e3
# A squared distance between means from which nearly all rows of the one have no share in the other.
OUT_OF_QUESTION = 200.0

_LOG_2PI = math.log(2 * math.pi)


class Theta(NamedTuple):
    """Parameters in the precision of the arithmetic; F = K or 1 factors, of width D or, if diagonal, 1."""

    centre: np.ndarray  # (D,), always double: what rows and means are taken relative to
    log_norms: np.ndarray  # (K,): log π_k − ½ log |2πΣ_k|
    means: np.ndarray  # (K, D): μ_k − centre; L⁻¹ (μ_k − centre) if rows are whitened once for all components
    scales: np.ndarray  # (F, D): 1 / L_jj
    coefs: np.ndarray  # (F, D, width): L_ji / L_jj below the diagonal; unused for diagonal factors
    directions: np.ndarray  # (K, P, D): L_k⁻ᵀ v for orthonormal v
    offsets: np.ndarray  # (K, P): vᵀ L_k⁻¹ (μ_k − μ_0)


# Plain loops throughout: each array expression would cost a second of compiling.
@njit(**EXACT)
def prepare(log_weights, means, factors, spare, theta):
    """Fill in a `Theta` from factors (F, D, D) or, diagonal, (F, D, 1).

    Returns whether rows are to be whitened once for all components, the means then standing in whitened coordinates;
    whether it pays to screen them; and how much the forward substitution may magnify rounding errors, or 0 where that
    does not matter. In single precision, rows and means are taken relative to the first mean, so that a far origin
    costs no digits.
    """
    n_components, n_features = means.shape
    n_factors, _, width = factors.shape
    dense = width > 1
    for k in range(n_components):
        theta.log_norms[k] = log_weights[k] - 0.5 * n_features * _LOG_2PI
    for f in range(n_factors):
        norm = _scale(factors[f], dense, theta.scales[f], theta.coefs[f])
        for k in range(f, f + 1 if n_factors > 1 else n_components):
            theta.log_norms[k] -= norm
    shared = dense and n_factors == 1 and n_components > 1 and _whiten_means(means, factors[0], spare, theta.means)
    for j in range(n_features):
        theta.centre[j] = means[0, j] if shared or theta.means.itemsize < 8 else 0.0
        if not shared:
            for k in range(n_components):
                theta.means[k, j] = means[k, j] - theta.centre[j]
    screened = False
    if theta.directions.shape[1]:
        for k in range(n_components):
            _probe(k, means, factors[k], spare, theta.directions[k], theta.offsets[k])
        screened = _pays(means, theta)
    magnified = 0.0
    if dense and n_components > 1 and theta.means.itemsize == 8:
        for f in range(n_factors):
            magnified = max(magnified, growth(theta.coefs[f], spare[0]))
    return shared, screened, magnified


@njit(**EXACT)
def _pays(means, theta):
    """Whether the probes of most components put most other means out of the question."""
    n_components, n_probes, n_features = theta.directions.shape
    out = 0
    for k in range(n_components):
        for other in range(n_components):
            q = 0.0
            for p in range(n_probes):
                along = 0.0
                for j in range(n_features):
                    along += theta.directions[k, p, j] * (means[other, j] - means[k, j])
                q += along * along
            out += q > OUT_OF_QUESTION
    return out > 0.7 * n_components * (n_components - 1)


@njit(**EXACT)
def _probe(k, means, factor, z, directions, offsets):
    """Whitened directions along which component k sees the other means far off: each is the sum of some of theirs."""
    n_components, n_features = means.shape
    n_probes = directions.shape[0]
    for p in range(n_probes):
        v = z[p]
        for j in range(n_features):
            v[j] = 0.0
        for other in range(p, n_components, n_probes):
            _add_unit(_solve(factor, means, other, k, z[n_probes]), v)
        for before in range(p):
            _remove(z[before], v)
        length = math.sqrt(dot(v, v))
        for j in range(n_features):
            v[j] = v[j] / length if length > 0 else 0.0
    for p in range(n_probes):
        v = z[p]
        for j in range(n_features - 1, -1, -1):
            v[j] /= factor[j, j]
            for i in range(j):
                v[i] -= factor[j, i] * v[j]
        offset = 0.0
        for j in range(n_features):
            directions[p, j] = v[j]
            offset += v[j] * (means[k, j] - means[0, j])
        offsets[p] = offset


@njit(**EXACT)
def _solve(factor, means, other, k, z):
    """z = L_k⁻¹ (μ_other − μ_k)."""
    for j in range(factor.shape[0]):
        s = means[other, j] - means[k, j]
        for i in range(j):
            s -= factor[j, i] * z[i]
        z[j] = s / factor[j, j]
    return z


@njit(**EXACT)
def _add_unit(z, v):
    """Add z / |z| to v, turned to v's side: opposite directions must not cancel."""
    length = math.sqrt(dot(z, z))
    if length > 0:
        sign = -1.0 if dot(z, v) < 0 else 1.0
        for j in range(z.shape[0]):
            v[j] += sign * z[j] / length


@njit(**EXACT)
def _remove(unit, v):
    """Take from v what lies along a unit vector."""
    along = dot(unit, v)
    for j in range(v.shape[0]):
        v[j] -= along * unit[j]


@njit(**EXACT)
def dot(a, b):
    """Σ_j a_j b_j."""
    s = 0.0
    for j in range(a.shape[0]):
        s += a[j] * b[j]
    return s


@njit(**EXACT)
def _scale(factor, dense, scale, coef):
    """Rows of a factor over their diagonal; returns log |L|."""
    log_det = 0.0
    for j in range(factor.shape[0]):
        diagonal = factor[j, j if dense else 0]
        log_det += math.log(diagonal)
        scale[j] = 1.0 / diagonal
        for i in range(j if dense else 0):
            coef[j, i] = factor[j, i] / diagonal
    return log_det


@njit(**EXACT)
def _whiten_means(means, factor, inverse, whitened):
    """L⁻¹ (μ_k − μ_0), and whether rows may be whitened once, relative to μ_0, without losing digits."""
    n_components, n_features = means.shape
    furthest = 0.0
    condition = math.sqrt(_invert(factor, inverse))
    for k in range(n_components):
        square = 0.0
        for j in range(n_features):
            s = 0.0
            for i in range(j + 1):
                s += inverse[j, i] * (means[k, i] - means[0, i])
            whitened[k, j] = s
            square += s * s
        furthest = max(furthest, math.sqrt(square))
    return furthest * condition <= SAFE_SHIFT


@njit(**EXACT)
def _invert(factor, inverse):
    """L⁻¹, and the product of the squared Frobenius norms of L and L⁻¹."""
    n, of_factor, of_inverse = factor.shape[0], 0.0, 0.0
    for i in range(n):
        for j in range(i, n):
            s = 1.0 if i == j else 0.0
            for m in range(i, j):
                s -= factor[j, m] * inverse[m, i]
            inverse[j, i] = s / factor[j, j]
            of_factor += factor[j, i] * factor[j, i]
            of_inverse += inverse[j, i] * inverse[j, i]
    return of_factor * of_inverse
