"""Some rows as one cluster, its covariance summed out, in compiled code.

Under the conjugate prior the mean is summed out too. Under the others, with μ ~ N(b₀, B₀) of its own,

    p(x, μ) = m(x) t(μ | x) N(μ | b₀, B₀),   m(x) = ∫∫ Π N(x_n | μ, Σ) p(Σ) dμ dΣ,

where t is what μ has under a flat prior: a mean that is drawn from it has the density m N over what it was drawn by,
which hardly varies.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bayesgmm.engines.density.blocks import invert, multiply, solve
from bayesgmm.engines.sweeps import triangular, variates
from bayesgmm.engines.unknown import components, state
from bayesgmm.engines.unknown.state import Place
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2
from bayesgmm.tape.scalars import lgamma


class Form(NamedTuple):
    """The prior of a component, given what stands above it."""

    is_flat: int  # μ has a prior of its own, which is left for later
    shrinkage: float  # κ₀ otherwise
    dof: float  # ν of Σ ~ InverseWishart(ν, H Hᵀ), or of σ² ~ InverseGamma(ν/2, rate)
    is_dense: int
    n_rates: int
    mean: np.ndarray  # (D,)
    base: np.ndarray  # (D, D): chol B₀
    root: np.ndarray  # (D, D): H
    rates: np.ndarray  # (D,)


class Side(NamedTuple):
    """Some rows as one cluster."""

    mean: np.ndarray  # (D,): of the rows, then what its posterior is centred at
    scatter: np.ndarray  # (D, D), on and below the diagonal; then chol of the posterior's matrix, or its rates
    at: np.ndarray  # (D,): a mean drawn
    factor: np.ndarray  # (D, D): L


@njit(**EXACT)
def side_at(at, d):
    """A side in the memory at an address: 2 (D + D²) numbers."""
    return Side(
        d1(at, (d,)), d2(at + 8 * d, (d, d)), d1(at + 8 * (d + d * d), (d,)), d2(at + 8 * (2 * d + d * d), (d, d))
    )


@njit(**EXACT)
def form_of(s, rates, root):
    """The prior of components as it stands; fills in the rates, or H."""
    d, kind, hyper = s[Place.D], s[Place.KIND], state.standing(s).hyper
    c = d1(s[Place.CONSTANTS], (s[Place.N_CONSTANTS],))
    is_flat, shrinkage, mean = kind != components.CONJUGATE, c[0], c[4:]
    if is_flat:
        mean, c, shrinkage = c, c[d + d * d :], 0.0
        is_random = kind == components.HIERARCHICAL
        dof, is_dense, spread = (2 * c[0], c[3] > 0, c[4:]) if is_random else (c[0], c[2] > 0, c[3:])
    else:
        is_random, dof, is_dense, spread = False, c[1], c[3] > 0, c[4 + d :]
    base = mean[d : d + d * d] if is_flat else spread[:0]
    n_rates = 0 if is_dense else spread.shape[0]
    if is_dense and is_random:
        multiply(spread.reshape(d, d), hyper, root)
    elif is_dense:
        for a in range(d):
            for b in range(d):
                root[a, b] = spread[a * d + b]
    for a in range(n_rates):
        rates[a] = math.exp(hyper[0, a]) if is_random else spread[a]
    return Form(is_flat, shrinkage, dof, is_dense, n_rates, mean[:d], base.reshape(d if is_flat else 0, d), root, rates)


@njit(**EXACT)
def moments(x, members, sides, which, side):
    """Number, mean and scatter of the rows on one side, or of all for −1."""
    d, n, mean, scatter = x.shape[1], 0.0, side.mean, side.scatter
    for a in range(d):
        mean[a] = 0.0
        for b in range(d):
            scatter[a, b] = 0.0
    for r in range(members.shape[0]):
        if which < 0 or sides[r] == which:
            n += 1.0
            for a in range(d):
                mean[a] += x[members[r], a]
    for a in range(d):
        mean[a] /= n
    for r in range(members.shape[0]):
        if which < 0 or sides[r] == which:
            for a in range(d):
                gap = x[members[r], a] - mean[a]
                for b in range(a + 1):
                    scatter[a, b] += gap * (x[members[r], b] - mean[b])
    return n


@njit(**EXACT)
def posterior(n, form, side, z):
    """log m(x) of n rows; a side's mean and scatter become what (μ, Σ) are drawn from."""
    d, e = side.mean.shape[0], n - 1.0 if form.is_flat else n
    value = -0.5 * d * math.log(n)
    if not form.is_flat:
        weight = n / (form.shrinkage + n)
        value = 0.5 * d * math.log(form.shrinkage / (form.shrinkage + n))
        for a in range(d):
            z[a] = side.mean[a] - form.mean[a]
            side.mean[a] = form.mean[a] + weight * z[a]
        for a in range(d):
            for b in range(a + 1):
                side.scatter[a, b] += form.shrinkage * weight * z[a] * z[b]
    if form.is_dense:
        triangular.add_square(form.root, False, side.scatter)
        triangular.cholesky(side.scatter)
        value -= 0.5 * e * d * math.log(math.pi)
        for a in range(d):
            value += form.dof * math.log(form.root[a, a]) - (form.dof + e) * math.log(side.scatter[a, a])
            value += lgamma(0.5 * (form.dof + e - a)) - lgamma(0.5 * (form.dof - a))
        return value
    value -= 0.5 * e * d * math.log(2.0 * math.pi)
    for a in range(form.n_rates):
        rate = form.rates[a]
        for b in range(a if form.n_rates > 1 else 0, a + 1 if form.n_rates > 1 else d):
            rate += 0.5 * side.scatter[b, b]
        shape = 0.5 * (form.dof + (e if form.n_rates > 1 else e * d))
        value += 0.5 * form.dof * math.log(form.rates[a]) - shape * math.log(rate)
        value += lgamma(shape) - lgamma(0.5 * form.dof)
        z[a] = rate
    for a in range(d):
        side.scatter[a, a] = z[a if form.n_rates > 1 else 0]
    return value


@njit(**EXACT)
def draw(n, form, side, z, scratch, stream):
    """A mean and a factor, from what `posterior` left."""
    d, e, scale = side.mean.shape[0], n - 1.0 if form.is_flat else n, n + form.shrinkage
    if form.is_dense:
        variates.bartlett(form.dof + e, scratch[0], True, stream)
        invert(scratch[0], scratch[1])
        multiply(side.scatter, scratch[1], side.factor)
    else:
        shape = 0.5 * (form.dof + (e if form.n_rates > 1 else e * d))
        for a in range(form.n_rates):
            z[a] = variates.log_gamma(shape, stream)
        for a in range(d):
            for b in range(d):
                side.factor[a, b] = 0.0
            log_gamma = z[a if form.n_rates > 1 else 0]
            side.factor[a, a] = math.exp(0.5 * (math.log(side.scatter[a, a]) - log_gamma))
    for a in range(d):
        z[a] = variates.normal(stream) / math.sqrt(scale)
    for a in range(d):
        side.at[a] = side.mean[a]
        for b in range(a + 1):
            side.at[a] += side.factor[a, b] * z[b]


@njit(**EXACT)
def of_mean(mean, form, z):
    """log N(μ | b₀, B₀), where μ has a prior of its own."""
    if not form.is_flat:
        return 0.0
    d = mean.shape[0]
    value = -0.5 * d * math.log(2.0 * math.pi)
    for a in range(d):
        z[a] = mean[a] - form.mean[a]
    solve(form.base, z)
    for a in range(d):
        value -= 0.5 * z[a] ** 2 + math.log(form.base[a, a])
    return value
