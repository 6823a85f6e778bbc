"""Parameters of components given the moments of their rows, and what stands above them, in compiled code.

A component without rows is drawn from its prior: its moments are zero, and the same formulas give it. They are those of
`engines.sweeps`, one prior a file there; here the covariance is kept as its factor L, because K changes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bayesgmm.engines.density.blocks import invert, multiply
from bayesgmm.engines.density.means import end as end_of_means
from bayesgmm.engines.sweeps import conjugate, means, triangular, variates
from bayesgmm.engines.sweeps.covariances import draw_variances, draw_wishart
from bayesgmm.kernel.options import EXACT

#: The priors, by number.
CONJUGATE, INDEPENDENT, HIERARCHICAL = 0, 1, 2


class Space(NamedTuple):
    """What draws of parameters need beside a turn, as in `sweeps.native`."""

    stream: np.ndarray  # (3,) unsigned
    point: np.ndarray  # (K · D,)


@njit(**EXACT)
def draw(kind, c, hyper, t, space):
    """All components of a turn; ``c`` are the constants of the prior's density without the weights'.

    ``hyper`` (D, D) is B of `sweeps.hierarchical`, or has log C₀ of each feature in its first row.
    """
    k, d = t.means.shape
    if kind == CONJUGATE:
        _draw_conjugate(c, t, space)
    else:
        means.draw(c, t, space)
        c = c[end_of_means(d) :]
        if kind == INDEPENDENT:
            _draw_covariances(c[0], 0.5 * c[0], c[2] > 0, c[3:], c[3:], False, hyper, t, space)
        else:
            _draw_covariances(2 * c[0], c[0], c[3] > 0, c[4:], hyper[0], True, hyper, t, space)
    for i in range(k):
        for j in range(d):
            t.means[i, j] = space.point[i * d + j]


@njit(**EXACT)
def _draw_covariances(dof, shape, is_dense, base, rates, are_logs, hyper, t, space):
    """Given means: from inverse Wishart distributions of the scale L₀L₀ᵀ, or (L₀B)(L₀B)ᵀ, or inverse gamma ones."""
    d, root = t.means.shape[1], t.work[0]
    if not is_dense:
        n, given = base.shape[0], t.work[1, 0]
        for j in range(n):
            given[j] = math.exp(rates[j]) if are_logs else rates[j]
        for f in range(t.means.shape[0]):
            _draw_diagonal(f, shape, given[:n], t, space)
        return
    matrix = base.reshape(d, d)
    if are_logs:
        multiply(matrix, hyper, root)
    else:
        for i in range(d):
            for j in range(d):
                root[i, j] = matrix[i, j]
    for f in range(t.means.shape[0]):
        draw_wishart(f, dof, root, t, space.stream)
        _enter(f, t)


@njit(**EXACT)
def _draw_conjugate(c, t, space):
    """Covariances with the means summed out, and means given them."""
    d = t.means.shape[1]
    spread = c[4 + d :]
    for f in range(t.means.shape[0]):
        conjugate.condense(c[4 : 4 + d], c[0], f, t.factors[f], t.a[f], t)
        if c[3] > 0:
            draw_wishart(f, c[1], spread.reshape(d, d), t, space.stream)
            conjugate.draw_dense_mean(f, c[0], t.m2[f], t.a[f], t, space)
            _enter(f, t)
        else:
            _draw_diagonal(f, 0.5 * c[1], spread, t, space)
            conjugate.draw_mean(f, c[0], t.inverse[f, 0, : spread.shape[0]], t, space)


@njit(**EXACT)
def _enter(f, t):
    """L = C A_n⁻¹."""
    invert(t.a[f], t.inverse[f])
    multiply(t.m2[f], t.inverse[f], t.factors[f])


@njit(**EXACT)
def _draw_diagonal(f, shape, rates, t, space):
    """Standard deviations of one component; log σ² stays in the first row of its inverse."""
    n, v = rates.shape[0], t.inverse[f, 0]
    draw_variances(f, shape, rates, v[:n], t, space.stream)
    for j in range(t.means.shape[1]):
        t.factors[f, j, 0] = math.exp(0.5 * v[j if n > 1 else 0])


@njit(**EXACT)
def draw_above(kind, c, hyper, t, stream):
    """C₀ given the covariances of all components of a turn: of those alone that have rows, the others summed out."""
    if kind != HIERARCHICAL:
        return
    k, d = t.means.shape
    c = c[end_of_means(d) :]
    if c[3] == 0:
        for j in range(c.shape[0] - 4):
            rate = c[4 + j]
            for f in range(k):
                rate += 1.0 / t.factors[f, j, 0] ** 2
            hyper[0, j] = variates.log_gamma(c[1] + k * c[0], stream) - math.log(rate)
        return
    base, root = c[4:].reshape(d, d), t.work[0]
    for i in range(d):
        for j in range(d):
            root[i, j] = 1.0 if i == j else 0.0
    for f in range(k):
        triangular.divide(t.factors[f], base, t.a[f])
        triangular.add_square(t.a[f], True, root)
    triangular.cholesky_turned(root)
    variates.bartlett(2 * (c[1] + k * c[0]), t.work[1], False, stream)
    triangular.divide(root, t.work[1], hyper)
