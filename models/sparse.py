"""A sparse finite mixture: more Gaussians than are needed, and weights so uneven that most of them stay empty.

    Z_n ~ Categorical(π)                 which component row n comes from; summed out
    X_n | Z_n = k ~ Normal(μ_k, Σ_k)     the row

    π ~ Dirichlet(α, …, α), α far below 1/K, or with a prior that has it there
    μ_k ~ Normal(b₀, B₀)
    full        C₀ ~ Wishart(g₀, G₀),  Σ_k⁻¹ | C₀ ~ Wishart(c₀, C₀)
    diag        C₀,d ~ Gamma(g₀, G₀,dd),  Σ_k = diag(σ²_k1 … σ²_kD),  σ²_kd | C₀ ~ InverseGamma(c₀, C₀,d)
    spherical   C₀ ~ Gamma(g₀, D / tr(G₀⁻¹)),  Σ_k = σ²_k I,  σ²_k | C₀ ~ InverseGamma(c₀, C₀)

K is no longer the number of clusters: that is how many components have rows, K₊, which the posterior speaks of.
"""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm as bg
from bayesgmm.families import Diagonal, Full, Spherical

# α where it is left out.
_CONCENTRATION = bg.priors.Gamma(1, 20)


def sparse_mixture(x, n_components=10, *, concentration=_CONCENTRATION, covariance_type="full",
                   prior="hierarchical", case_weights=None, missing="raise"):  # fmt: skip
    """Tell the story of a sparse finite mixture as a PyMC model: components of a prior that is free of K.

    NUTS takes it, labels summed out, but this is hard ground for it. An empty component has a weight near 0, whose
    logarithm reaches down by 1/α, and its mean and covariance roam over their prior; and chains seldom pass from one
    number of clusters to another. Look at `bayesgmm.diagnose` before anything else, above all where α is small. For
    the posterior of the number of clusters, `bayesgmm.sample_components` with ``process="sparse"`` draws from the
    same model, labels and all, and is far quicker. The story is for those who want to change it.

    Parameters
    ----------
    x : array, frame or file (N, D)
        The rows, in data units; every feature numeric, none constant.
    n_components : int
        K, more than there can be clusters.
    concentration : float or bayesgmm.priors.Gamma
        α, or its distribution.
    covariance_type : {"full", "diag", "spherical"}
    prior : "hierarchical" or Hierarchical
        Of the components. Constants that it leaves out are scaled by the data; its own concentration is not read.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.
    missing : {"raise", "marginalise"}
        Missing cells (NaN) are an error, or taken to be missing at random and summed out.

    Returns
    -------
    pymc.Model
        As `bayesgmm.models.finite_mixture` returns it.

    Raises
    ------
    ValueError
        If the data cannot be fitted, or an argument is not known; the message says which and what to do.

    References
    ----------
    Rousseau & Mengersen (2011) for why components empty; Malsiner-Walli, Frühwirth-Schnatter & Grün (2016).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = sparse_mixture(bg.load_dataset("faithful"), 5)
    >>> [v.name for v in model.free_RVs]
    ['concentration', 'weights', 'rate', 'covariances', 'means']
    """
    x = bg.as_table(x, fitting=True, missing=missing)
    family = bg.family(covariance_type, x.n_features, sampled=True)
    identity = np.eye(x.n_features)
    prior = bg.prior(prior)
    if not isinstance(prior, bg.Hierarchical):
        raise ValueError(f"prior must be a Hierarchical, free of the number of components, not {type(prior).__name__}")
    prior = bg.scale_prior(replace(prior, concentration=concentration), x, n_components, covariance_type=family,
                           case_weights=case_weights, missing=missing)  # fmt: skip
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
            case Diagonal():
                rate = pm.Gamma("rate", rate_shape, np.diag(prior.rate_rate), dims="feature")
                variances = pm.InverseGamma("variances", shape, rate, dims=("component", "feature"))
                covariances = pm.Deterministic("covariances", variances[:, :, None] * identity, dims=matrix)
            case Spherical():
                rate = pm.Gamma("rate", rate_shape, x.n_features / np.trace(unit))
                variances = pm.InverseGamma("variances", shape, rate, dims="component")
                covariances = pm.Deterministic("covariances", variances[:, None, None] * identity, dims=matrix)
            case _:
                raise ValueError("covariance_type='tied' has one covariance for all, which says nothing of an empty "
                                 "component: use 'full', 'diag' or 'spherical'")  # fmt: skip
        means = pm.MvNormal("means", prior.mean, prior.mean_covariance, dims=("component", "feature"))
        scale_trils = pt.linalg.cholesky(covariances)
        bg.MarginalGaussianMixture("x", weights, means, scale_trils, **rows, dims=("obs", "feature"))
    return bg.declare(model, prior, family)
