"""A mixture of K Gaussians that vary along q factors each: factor analysers, or probabilistic principal components.

    Z_n ~ Categorical(π)                 which component row n comes from; summed out
    f_n ~ Normal(0, I_q)                 the row's factors; summed out
    X_n | Z_n = k, f_n ~ Normal(μ_k + Λ_k f_n, Ψ_k)          the row, Ψ_k diagonal
    X_n | Z_n = k ~ Normal(μ_k, Σ_k),  Σ_k = Λ_kΛ_kᵀ + Ψ_k   the same without factors

    π ~ Dirichlet(α)
    μ_kd ~ Normal(x̄_d, s_d²)             s_d the standard deviation of feature d over all rows
    Λ_kdi ~ Normal(0, s_d² / q)
    diagonal    ψ_kd ~ InverseGamma(a, b s_d²)
    isotropic   ψ_k1 = … = ψ_kD ~ InverseGamma(a, b s²), s² the mean of s_d²

Factors may be turned: Λ_k R has the same Σ_k for every rotation R, and the same prior density. Chains wander through
all of them, which hurts neither Σ_k nor anything made of it; `bayesgmm.align_factors` turns loadings to agree,
afterwards.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import bayesgmm as bg


def factor_mixture(x, n_components, n_factors, *, noise="diagonal", concentration=1.0, noise_shape=2.0, noise_rate=0.25,
                   case_weights=None):  # fmt: skip
    """Tell the story of K factor analysers as a PyMC model.

    Parameters
    ----------
    x : array, frame or file (N, D)
        The rows, in data units; every feature numeric, none constant.
    n_components : int
        K.
    n_factors : int
        q, from 1 to D − 1.
    noise : {"diagonal", "isotropic"}
        A variance for each feature, or one for all, which depends on their units.
    concentration : float
        α.
    noise_shape, noise_rate : float
        a and b of the noise's prior, in units of the features' variances over all rows; it keeps Heywood cases away.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.

    Returns
    -------
    pymc.Model
        With ``weights``, ``means``, ``loadings`` (component, feature, factor), ``noise`` (component, feature), and
        ``covariances``, which follow from them.

    Raises
    ------
    ValueError
        If the data cannot be fitted, or an argument is out of range; the message says which.

    References
    ----------
    Ghahramani & Hinton (1996); Tipping & Bishop (1999); Lopes & West (2004) for priors of this kind; Papastamoulis
    (2018) for mixtures.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = factor_mixture(bg.load_dataset("penguins").select_dtypes("number").dropna(), 2, 1)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'means', 'loadings', 'noise']
    """
    x = bg.as_table(x, fitting=True)
    if isinstance(n_factors, bool) or not isinstance(n_factors, int | np.integer) or not 1 <= n_factors < x.n_features:
        raise ValueError(f"n_factors must be a whole number from 1 to {x.n_features - 1}, one less than the features, "
                         f"not {n_factors!r}")  # fmt: skip
    if noise not in ("diagonal", "isotropic"):
        raise ValueError(f"noise={noise!r} is not known; use 'diagonal', or 'isotropic'")
    given = {"concentration": concentration, "noise_shape": noise_shape, "noise_rate": noise_rate}
    for name, value in given.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a number above 0, not {value!r}")
    mean, sds = _moments(x.values, case_weights)
    shape, rates = np.array(float(noise_shape)), noise_rate * sds**2
    one, every = ("component", "feature"), ("component", "feature", "factor")
    with pm.Model(coords={**bg.coords(x, n_components), "factor": range(n_factors)}) as model:
        weights = pm.Dirichlet("weights", np.full(n_components, float(concentration)), dims="component")
        means = pm.Normal("means", mean, sds, dims=one)
        loadings = pm.Normal("loadings", 0.0, sds[:, None] / np.sqrt(n_factors), dims=every)
        if noise == "diagonal":
            variances = pm.InverseGamma("noise", shape, rates, dims=one)
        else:
            level = pm.InverseGamma("noise_level", shape, np.array(rates.mean()), dims="component")
            variances = pm.Deterministic("noise", level[:, None] * np.ones(x.n_features), dims=one)
        spread = loadings @ pt.swapaxes(loadings, -1, -2) + variances[:, :, None] * np.eye(x.n_features)
        covariances = pm.Deterministic("covariances", spread, dims=(*one, "feature_other"))
        bg.MarginalGaussianMixture("x", weights, means, pt.linalg.cholesky(covariances), observed=x.values,
                                   case_weights=case_weights, dims=("obs", "feature"))  # fmt: skip
    return model


def _moments(values, case_weights) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the features over all rows."""
    weights = np.ones(len(values)) if case_weights is None else np.asarray(case_weights, dtype=float)
    mean = weights @ values / weights.sum()
    return mean, np.sqrt(weights @ (values - mean) ** 2 / weights.sum())
