"""Mixtures of every structure, rows for them, and what scipy says: read by the tests beside it with `runpy`."""

import numpy as np
from scipy.stats import multivariate_normal

from bayesgmm import Mixture
from bayesgmm.families import WITH_PRIORS as FAMILIES

CODES = [f.alias for f in FAMILIES]


def parameters(alias, k=3, d=3, seed=4, spread=2.0):
    """(π, μ, Σ) of the given structure, with the structure made by hand."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(k, d, d))
    covariances = root @ root.swapaxes(1, 2) + 0.5 * np.eye(d)
    if alias == "tied":
        covariances = np.repeat(covariances[:1], k, axis=0)
    if alias == "diag":
        covariances = covariances * np.eye(d)
    if alias == "spherical":
        covariances = covariances[:, :1, :1] * np.eye(d)
    return rng.dirichlet(np.full(k, 4.0)), spread * rng.normal(size=(k, d)), covariances


def made(alias, weights, means, covariances):
    """The mixture as its family makes it, with the family's own whitening."""
    (family,) = (f for f in FAMILIES if f.alias == alias)
    return Mixture.from_whitening(weights, means, family.whitening(covariances))


def mixture_of(alias, **kwargs):
    return made(alias, *parameters(alias, **kwargs))


def rows(n=200, d=3, seed=5):
    return 3 * np.random.default_rng(seed).normal(size=(n, d))


def log_joint(x, weights, means, covariances):
    parts = zip(weights, means, covariances, strict=True)
    with np.errstate(divide="ignore"):
        return np.column_stack([np.log(w) + multivariate_normal(m, c).logpdf(x) for w, m, c in parts])


def assert_same_bits(a, b):
    """Two results of `e_step` are equal to the last bit; NaN equals NaN."""
    for one, other in zip(a, b, strict=True):
        if hasattr(one, "scatters"):
            assert_same_bits((one.counts, one.means, one.scatters), (other.counts, other.means, other.scatters))
        else:
            np.testing.assert_array_equal(one, other)
