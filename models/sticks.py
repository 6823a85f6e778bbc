"""A Dirichlet process mixture, or Pitman & Yor's, cut off after K components: weights broken off a stick.

    Z_n ~ Categorical(π)                 which component row n comes from; summed out
    X_n | Z_n = k ~ Normal(μ_k, Σ_k)     the row

    V_k ~ Beta(1 − σ, α + kσ),  k = 1 … K − 1;   V_K = 1;   π_k = V_k Π_{j<k} (1 − V_j)
    α ~ Gamma, or a number; σ = 0 for the Dirichlet process
    μ_k ~ Normal(b₀, B₀)
    full        C₀ ~ Wishart(g₀, G₀),  Σ_k⁻¹ | C₀ ~ Wishart(c₀, C₀)
    diag        C₀,d ~ Gamma(g₀, G₀,dd),  Σ_k = diag(σ²_k1 … σ²_kD),  σ²_kd | C₀ ~ InverseGamma(c₀, C₀,d)
    spherical   C₀ ~ Gamma(g₀, D / tr(G₀⁻¹)),  Σ_k = σ²_k I,  σ²_k | C₀ ~ InverseGamma(c₀, C₀)

What is cut off: the densities of N rows under the story and under the process without end differ by at most

    ∫ |p_K − p_∞| ≤ 4 N E[Π_{k<K} (1 − V_k)] = 4 N Π_{k<K} (α + kσ) / (α + kσ + 1 − σ).
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm as bg
from bayesgmm.families import Diagonal, Full, Spherical

# α where it is left out.
_CONCENTRATION = bg.priors.Gamma(2, 4)


def stick_breaking_mixture(x, n_components=20, *, concentration=_CONCENTRATION, discount=0.0,
                           covariance_type="full", prior="hierarchical", case_weights=None,
                           missing="raise"):  # fmt: skip
    """Tell the story of a Dirichlet or Pitman-Yor process, cut off after K components, as a PyMC model.

    NUTS takes it, labels summed out, but this is hard ground for it. Components without rows have weights near 0 and
    roam over their prior, chains seldom pass from one number of clusters to another, and the order of the sticks is
    a part of the model: π_1 is larger than π_2 more often than not, and an order in which a chain begins is one it
    mostly stays in. Look at `bayesgmm.diagnose` before anything else. `bayesgmm.sample_components` with
    ``process="dp"`` or ``"py"`` draws from the process without end, by an urn that cuts nothing off, and is far
    quicker. The story is for those who want to change it.

    Parameters
    ----------
    x : array, frame or file (N, D)
        The rows, in data units; every feature numeric, none constant.
    n_components : int
        K, at which the process is cut off. ``truncation_error`` says whether it is enough.
    concentration : float or distribution of `bayesgmm.priors`
        α > 0, or its distribution: `Gamma`, `LogNormal`, ….
    discount : float
        σ in [0, 1).
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
        As `bayesgmm.models.finite_mixture` returns it, and with ``truncation_error``, the bound on what is cut off,
        for the α of the draw; one above 2 says nothing. Once labels are matched, components are no longer in the
        order of their sticks, on which the density of ``weights`` depends.

    Raises
    ------
    ValueError
        If the data cannot be fitted, or an argument is not known; the message says which and what to do.

    References
    ----------
    Sethuraman (1994), Pitman & Yor (1997); Ishwaran & James (2001), Theorem 2, for what is cut off.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = stick_breaking_mixture(bg.load_dataset("faithful"), 8, concentration=0.5)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'rate', 'covariances', 'means']
    >>> round(float(model["truncation_error"].eval()), 3)
    0.497
    """
    x = bg.as_table(x, fitting=True, missing=missing)
    family = bg.family(covariance_type, x.n_features, sampled=True)
    identity = np.eye(x.n_features)
    prior = bg.prior(prior)
    if not isinstance(prior, bg.Hierarchical):
        raise ValueError(f"prior must be a Hierarchical, free of the number of components, not {type(prior).__name__}")
    if not 0 <= discount < 1:
        raise ValueError(f"discount must be at least 0 and below 1, not {discount}")
    if n_components < 2:
        raise ValueError(f"n_components must be 2 or more, where a process is cut off, not {n_components}")
    prior = bg.scale_prior(prior, x, n_components, covariance_type=family, case_weights=case_weights, missing=missing)
    rows = {"observed": x.values, "case_weights": case_weights, "missing": missing}
    # PyTensor would take a plain 1.5 for a float32.
    shape, rate_shape = np.array(prior.shape), np.array(prior.rate_shape)
    unit = np.linalg.inv(prior.rate_rate)  # what samplers measure the covariances by
    matrix = ("component", "feature", "feature_other")
    n_rows = x.n_obs if case_weights is None else np.sum(case_weights)
    a = np.full(n_components - 1, 1.0 - discount)
    with pm.Model(coords=bg.coords(x, n_components)) as model:
        b = bg.concentration(concentration, n_components - 1) + discount * np.arange(1, n_components)
        weights = bg.StickBreaking("weights", a, b, dims="component")
        pm.Deterministic("truncation_error", 4.0 * n_rows * pt.prod(b / (a + b)))
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
    return model
