"""A mixture of K Gaussians whose standard deviations and correlations are told apart.

    Z_n ~ Categorical(π)                 which component row n comes from; summed out
    X_n | Z_n = k ~ Normal(μ_k, Σ_k)     the row

    π ~ Dirichlet(α), α fixed or with a prior of its own
    μ_k ~ Normal(m₀, B₀)
    full        Σ_k = diag(s_k) R_k diag(s_k),  s_kd ~ the prior's scales,  R_k ~ LKJ(η)
    tied        Σ_k = diag(s) R diag(s),  s_d ~ the prior's scales,  R ~ LKJ(η)
    diag        Σ_k = diag(s_k)²,  s_kd ~ the prior's scales
    spherical   Σ_k = s_k² I,  s_k ~ the prior's scales, pooled over the features
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm as bg
from bayesgmm.families import Diagonal, Full, Spherical, Tied


def lkj_mixture(x, n_components, *, covariance_type="full", prior="lkj", case_weights=None, missing="raise"):
    """Tell the story of K Gaussians under `LKJ`; see `bayesgmm.models.finite_mixture`.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009); Barnard, McCulloch & Meng (2000).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = lkj_mixture(bg.load_dataset("faithful"), 2)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'scales', 'correlations', 'means']
    """
    x = bg.as_table(x, fitting=True, missing=missing)
    family = bg.family(covariance_type, x.n_features, sampled=True)
    identity = np.eye(x.n_features)
    prior = bg.scale_prior(
        prior, x, n_components, covariance_type=family, case_weights=case_weights, missing=missing
    )
    rows = {"observed": x.values, "case_weights": case_weights, "missing": missing}
    matrix = ("component", "feature", "feature_other")
    with pm.Model(coords=bg.coords(x, n_components)) as model:
        weights = pm.Dirichlet("weights", bg.concentration(prior.concentration, n_components), dims="component")
        match family:
            case Full():
                s = bg.positive("scales", prior.scales, dims=("component", "feature"))
                r = bg.LKJCorrelation("correlations", x.n_features, prior.eta, dims=matrix)
                covariances = pm.Deterministic("covariances", s[:, :, None] * r * s[:, None, :], dims=matrix)
            case Tied():
                s = bg.positive("scales", prior.scales, dims="feature")
                r = bg.LKJCorrelation("correlation", x.n_features, prior.eta, dims=("feature", "feature_other"))
                shared = s[:, None] * r * s[None, :]
                covariances = pm.Deterministic("covariances", pt.stack([shared] * n_components), dims=matrix)
            case Diagonal():
                s = bg.positive("scales", prior.scales, dims=("component", "feature"))
                covariances = pm.Deterministic("covariances", (s**2)[:, :, None] * identity, dims=matrix)
            case Spherical():
                s = bg.positive("scales", prior.scales.pooled(), dims="component")
                covariances = pm.Deterministic("covariances", (s**2)[:, None, None] * identity, dims=matrix)
        means = pm.MvNormal("means", prior.mean, prior.mean_covariance, dims=("component", "feature"))
        scale_trils = pt.linalg.cholesky(covariances)
        bg.MarginalGaussianMixture("x", weights, means, scale_trils, **rows, dims=("obs", "feature"))
    return bg.declare(model, prior, family)
