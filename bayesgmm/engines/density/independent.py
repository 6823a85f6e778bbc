"""The semi-conjugate prior's log density, natively: normal means, inverse Wishart or gamma Σ_k, Dirichlet π.

u is (weights, covariances, means), each as PyMC sees it in ``models/independent.py``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesgmm.engines.density import means
from bayesgmm.engines.density import weights as of_weights
from bayesgmm.engines.density.blocks import density, routine
from bayesgmm.engines.density.conjugate import place, variables, wishart_constants
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
    inverse_gamma,
    leave_bartlett,
    leave_dense,
    leave_diagonal,
    leave_gamma,
)
from bayesgmm.kernel.options import EXACT

__all__ = ["ROUTINE", "constants", "function", "place", "variables"]

ROUTINE = routine("independent", __name__, "means", "wishart", "independent")


def function(name):
    """The C function of the log density."""
    return density(enter, _leave)


def constants(prior, layout) -> np.ndarray:
    """The weights', the means', ν₀, the constant, dense or not, and L₀ (D, D) or the rates."""
    own, spread = wishart_constants(prior, layout)
    head = [prior.dof, own + means.constant(prior, layout.n_components), layout.is_dense]
    first = of_weights.constants(prior.concentration, layout.n_components)
    return np.concatenate((first, means.constants(prior), head, spread))


@njit(**EXACT)
def enter(u, constants, t):
    """The mixture at u, into t; the log prior density of u, Jacobian included."""
    k, d = t.means.shape
    of_means = constants[n_constants(k) :]
    c = of_means[end_of_means(d) :]
    value = c[1] + enter_weights(u, constants, t.log_weights) + enter_means(u, of_means, t)
    n_factors, first = t.factors.shape[0], end(constants, k)
    size = (u.shape[0] - first - k * d) // n_factors
    for f in range(n_factors):
        v = u[first + f * size : first + (f + 1) * size]
        if c[2] > 0:
            value += enter_dense(v, c[0], c[3:], 0, t.a[f], t.inverse[f], t.factors[f])
            value += half_square(t.a[f])
        else:
            enter_diagonal(v, t.factors[f])
            value += inverse_gamma(v, 0.5 * c[0], c[3:])
    return value


@njit(**EXACT)
def _leave(u, constants, t, gradient):
    k, d = t.means.shape
    c = constants[n_constants(k) + end_of_means(d) :]
    leave_weights(u, constants, t.log_weights, t.m0, gradient)
    leave_means(t, gradient)
    n_factors, first = t.factors.shape[0], end(constants, k)
    size = (u.shape[0] - first - k * d) // n_factors
    for i in range(k):
        f = i if n_factors > 1 else 0
        here = slice(first + f * size, first + (f + 1) * size)
        if c[2] > 0:
            leave_dense(t.m0[i], t.m2[i], t.inverse[f], u[here], gradient[here])
        else:
            leave_diagonal(t.m0[i], t.m2[i], gradient[here])
    for f in range(n_factors):
        here = slice(first + f * size, first + (f + 1) * size)
        if c[2] > 0:
            leave_bartlett(c[0], t.a[f], gradient[here])
        else:
            leave_gamma(0.5 * c[0], c[3:], u[here], gradient[here])
