"""Stories as users write them, none of which declares anything: each takes rows (N, 2) and gives a model."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms

import bayesgmm as bg

MATRIX = ("component", "feature", "feature_other")


def rows(n=120, seed=0):
    rng = np.random.default_rng(seed)
    near = rng.random((n, 1)) < 0.4
    return rng.normal(size=(n, 2)) * [1.0, 2.0] + np.where(near, [0.0, 0.0], [5.0, 3.0])


def _model(x, k=2):
    return pm.Model(coords=bg.coords(bg.as_table(x, fitting=True), k))


def _observe(weights, means, scale_trils, x, **kwargs):
    bg.MarginalGaussianMixture("x", weights, means, scale_trils, observed=x, dims=("obs", "feature"), **kwargs)


def three_lines_changed(x, **kwargs):
    """Ours, with other constants and means that do not depend on the covariances."""
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.full(2, 2.0), dims="component")
        covariances = bg.InverseWishart("covariances", 6.0, np.eye(2), dims=MATRIX)
        means = pm.Normal("means", 1.0, 5.0, dims=("component", "feature"))
        _observe(weights, means, pt.linalg.cholesky(covariances), x, **kwargs)
    return model


def of_pm_data(x):
    """The same, its rows to be set to others."""
    with _model(x) as model:
        data = pm.Data("rows", x, dims=("obs", "feature"))
        weights = pm.Dirichlet("weights", np.full(2, 2.0), dims="component")
        covariances = bg.InverseWishart("covariances", 6.0, np.eye(2), dims=MATRIX)
        means = pm.Normal("means", 1.0, 5.0, dims=("component", "feature"))
        _observe(weights, means, pt.linalg.cholesky(covariances), data)
    return model


def lkj(x):
    """A correlation matrix and standard deviations for each component."""
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.full(2, 2.0), dims="component")
        factors = [
            pm.LKJCholeskyCov(f"factor_{k}", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(2.0), compute_corr=True)[0]
            for k in range(2)
        ]
        means = pm.Normal("means", 1.0, 5.0, dims=("component", "feature"))
        _observe(weights, means, pt.stack(factors), x)
    return model


def hierarchical(x):
    """Standard deviations from a gamma distribution whose rate is uncertain, and means that avoid each other."""
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.full(2, 2.0), dims="component")
        tau = pm.HalfNormal("tau", 3.0)
        sd = pm.Gamma("sd", 2.0, 1.0 / tau, dims=("component", "feature"))
        means = pm.Normal("means", 0.0, 5.0, dims=("component", "feature"))
        pm.Potential("apart", pt.log1p(((means[0] - means[1]) ** 2).sum()))
        covariances = pm.Deterministic("covariances", (sd**2)[:, :, None] * np.eye(2), dims=MATRIX)
        _observe(weights, means, pt.linalg.cholesky(covariances), x)
    return model


def ordered(x):
    """One feature, two ordered means, and none of our names."""
    with _model(x[:, :1]) as model:
        theta = pm.Beta("theta", 5, 5)
        mu = pm.Normal("mu", 0, 4, shape=2, transform=transforms.ordered)
        sigma = pm.HalfNormal("sigma", 2, shape=2)
        _observe(pt.stack([theta, 1 - theta]), mu[:, None], sigma[:, None, None], x[:, :1])
    return model


def heavy_tails(x):
    """Priors with special functions: Student's t, a concentration with its own prior, a half-Cauchy, a Wishart."""
    with _model(x) as model:
        alpha = pm.Exponential("alpha", 1.0)
        weights = pm.Dirichlet("weights", 1.0 + alpha * np.ones(2), dims="component")
        nu = pm.Gamma("nu", 4.0, 0.5)
        means = pm.StudentT("means", nu=nu, mu=0.0, sigma=4.0, dims=("component", "feature"))
        sd = pm.HalfCauchy("sd", 2.0, dims="component")
        _observe(weights, means, sd[:, None, None] * np.eye(2), x)
    return model


ALL = [three_lines_changed, of_pm_data, lkj, hierarchical, ordered, heavy_tails]
