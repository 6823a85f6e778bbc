"""A mixture of K Gaussians whose covariances share a random scale; nothing in its prior depends on K.

    Z_n ~ Categorical(π)                 which component row n comes from; summed out
    X_n | Z_n = k ~ Normal(μ_k, Σ_k)     the row

    π ~ Dirichlet(α), α fixed or with a prior of its own
    μ_k ~ Normal(b₀, B₀)
    full        C₀ ~ Wishart(g₀, G₀),  Σ_k⁻¹ | C₀ ~ Wishart(c₀, C₀)
    tied        C₀ ~ Wishart(g₀, G₀),  Σ_k⁻¹ = Σ⁻¹ | C₀ ~ Wishart(c₀, C₀)
    diag        C₀,d ~ Gamma(g₀, G₀,dd),  Σ_k = diag(σ²_k1 … σ²_kD),  σ²_kd | C₀ ~ InverseGamma(c₀, C₀,d)
    spherical   C₀ ~ Gamma(g₀, D / tr(G₀⁻¹)),  Σ_k = σ²_k I,  σ²_k | C₀ ~ InverseGamma(c₀, C₀)

Wishart(c, C) is the literature's, with density ∝ |W|^(c − (D+1)/2) exp(−tr CW): it has 2c degrees of freedom and the
scale C⁻¹/2. So Σ_k | C₀ ~ InverseWishart(2c₀, 2C₀), as it is written below.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm as bg
from bayesgmm.families import Diagonal, Full, Spherical, Tied


def hierarchical_mixture(
    x, n_components, *, covariance_type="full", prior="hierarchical", case_weights=None, missing="raise"
):
    """Tell the story of K Gaussians under `Hierarchical`; see `bayesgmm.models.finite_mixture`.

    References
    ----------
    Richardson & Green (1997) for D = 1; Stephens (1997) and Malsiner-Walli, Frühwirth-Schnatter & Grün (2016) for
    several features.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = hierarchical_mixture(bg.load_dataset("faithful"), 2)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'rate', 'covariances', 'means']
    """
    x = bg.as_table(x, fitting=True, missing=missing)
    family = bg.family(covariance_type, x.n_features, sampled=True)
    identity = np.eye(x.n_features)
    prior = bg.scale_prior(
        prior, x, n_components, covariance_type=family, case_weights=case_weights, missing=missing
    )
    rows = {"observed": x.values, "case_weights": case_weights, "missing": missing}
    # PyTensor would take a plain 1.5 for a float32.
    shape, rate_shape = np.array(prior.shape), np.array(prior.rate_shape)
    unit = np.linalg.inv(prior.rate_rate)  # what samplers measure the covariances by
    matrix = ("component", "feature", "feature_other")
    with pm.Model(coords=bg.coords(x, n_components)) as model:
        weights = pm.Dirichlet("weights", bg.concentration(prior.concentration, n_components), dims="component")
        match family:
            case Full():
                rate = bg.Wishart("rate", 2 * rate_shape, unit / 2, dims=("feature", "feature_other"))
                covariances = bg.InverseWishart("covariances", 2 * shape, 2 * rate, reference=unit, dims=matrix)
            case Tied():
                rate = bg.Wishart("rate", 2 * rate_shape, unit / 2, dims=("feature", "feature_other"))
                shared = bg.InverseWishart("covariance", 2 * shape, 2 * rate, reference=unit, dims=matrix[1:])
                covariances = pm.Deterministic("covariances", pt.stack([shared] * n_components), dims=matrix)
            case Diagonal():
                rate = pm.Gamma("rate", rate_shape, np.diag(prior.rate_rate), dims="feature")
                variances = pm.InverseGamma("variances", shape, rate, dims=("component", "feature"))
                covariances = pm.Deterministic("covariances", variances[:, :, None] * identity, dims=matrix)
            case Spherical():
                rate = pm.Gamma("rate", rate_shape, x.n_features / np.trace(unit))
                variances = pm.InverseGamma("variances", shape, rate, dims="component")
                covariances = pm.Deterministic("covariances", variances[:, None, None] * identity, dims=matrix)
        means = pm.MvNormal("means", prior.mean, prior.mean_covariance, dims=("component", "feature"))
        scale_trils = pt.linalg.cholesky(covariances)
        bg.MarginalGaussianMixture("x", weights, means, scale_trils, **rows, dims=("obs", "feature"))
    return bg.declare(model, prior, family)
