"""A mixture of K Gaussians whose means know nothing of their covariances: the semi-conjugate prior.

    Z_n ~ Categorical(π)                 which component row n comes from; summed out
    X_n | Z_n = k ~ Normal(μ_k, Σ_k)     the row

    π ~ Dirichlet(α), α fixed or with a prior of its own
    μ_k ~ Normal(m₀, B₀)
    full        Σ_k ~ InverseWishart(ν₀, Ψ₀)
    tied        Σ_k = Σ ~ InverseWishart(ν₀, Ψ₀)
    diag        Σ_k = diag(σ²_k1 … σ²_kD),  σ²_kd ~ InverseGamma(ν₀/2, Ψ₀,dd/2)
    spherical   Σ_k = σ²_k I,  σ²_k ~ InverseGamma(ν₀/2, tr(Ψ₀)/2D)
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm as bg
from bayesgmm.families import Diagonal, Full, Spherical, Tied


def independent_mixture(
    x, n_components, *, covariance_type="full", prior="independent", case_weights=None, missing="raise"
):
    """Tell the story of K Gaussians under `Independent`; see `bayesgmm.models.finite_mixture`.

    References
    ----------
    Gelman et al. (2013), section 4.1, on semi-conjugate priors; Frühwirth-Schnatter (2006), section 6.3.2.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = independent_mixture(bg.load_dataset("faithful"), 2)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'covariances', 'means']
    """
    x = bg.as_table(x, fitting=True, missing=missing)
    family = bg.family(covariance_type, x.n_features, sampled=True)
    identity = np.eye(x.n_features)
    prior = bg.scale_prior(
        prior, x, n_components, covariance_type=family, case_weights=case_weights, missing=missing
    )
    rows = {"observed": x.values, "case_weights": case_weights, "missing": missing}
    shape = np.array(prior.dof / 2)  # PyTensor would take a plain 1.5 for a float32
    matrix = ("component", "feature", "feature_other")
    with pm.Model(coords=bg.coords(x, n_components)) as model:
        weights = pm.Dirichlet("weights", bg.concentration(prior.concentration, n_components), dims="component")
        match family:
            case Full():
                covariances = bg.InverseWishart("covariances", prior.dof, prior.scale, dims=matrix)
            case Tied():
                shared = bg.InverseWishart("covariance", prior.dof, prior.scale, dims=("feature", "feature_other"))
                covariances = pm.Deterministic("covariances", pt.stack([shared] * n_components), dims=matrix)
            case Diagonal():
                rate = np.diag(prior.scale) / 2
                variances = pm.InverseGamma("variances", shape, rate, dims=("component", "feature"))
                covariances = pm.Deterministic("covariances", variances[:, :, None] * identity, dims=matrix)
            case Spherical():
                rate = np.trace(prior.scale) / (2 * x.n_features)
                variances = pm.InverseGamma("variances", shape, rate, dims="component")
                covariances = pm.Deterministic("covariances", variances[:, None, None] * identity, dims=matrix)
        means = pm.MvNormal("means", prior.mean, prior.mean_covariance, dims=("component", "feature"))
        scale_trils = pt.linalg.cholesky(covariances)
        bg.MarginalGaussianMixture("x", weights, means, scale_trils, **rows, dims=("obs", "feature"))
    return bg.declare(model, prior, family)
