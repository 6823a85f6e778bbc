"""A mixture of K multivariate Student's t distributions: clusters with outliers.

Z_n ~ Categorical(π)                  which component row n comes from; summed out
X_n | Z_n = k ~ t_D(ν_k, μ_k, Σ_k)    the row, with the density
    Γ((ν + D)/2) / Γ(ν/2) · (νπ)^(−D/2) |Σ|^(−1/2) (1 + (x − μ)ᵀ Σ⁻¹ (x − μ) / ν)^(−(ν + D)/2)

π ~ Dirichlet(α)
ν_k ~ Gamma(2, 0.1): from Cauchy's tails to a Gaussian's
μ_k | Σ_k ~ Normal(m₀, Σ_k / κ₀)
Σ_k ~ InverseWishart(ν₀, Ψ₀), the scale matrix; the covariance is Σ_k ν_k / (ν_k − 2) where ν_k > 2
"""

import numpy as np
import pymc as pm

import bayesgmm as bg


def student_mixture(x, n_components, *, prior="conjugate", dof_shape=2.0, dof_rate=0.1, case_weights=None):
    """Tell the story of K multivariate t distributions as a PyMC model.

    Parameters
    ----------
    x : array, frame or file (N, D)
        The rows, in data units; every feature numeric, none constant.
    n_components : int
        K.
    prior : "conjugate" or Conjugate
        Of weights, means and scale matrices; constants that it leaves out are scaled by the data.
    dof_shape, dof_rate : float
        Of the gamma prior of the degrees of freedom.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.

    Returns
    -------
    pymc.Model
        With ``weights``, ``dof`` (component), ``means`` (component, feature), ``scale_matrices`` (component, feature,
        feature_other) and the observed ``x``.

    Raises
    ------
    ValueError
        If the data cannot be fitted, or an argument is not known; the message says which and what to do.

    References
    ----------
    Peel & McLachlan (2000) for the mixture; Juárez & Steel (2010) for the prior of the degrees of freedom.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = student_mixture(bg.load_dataset("faithful"), 2)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'dof', 'scale_matrices', 'means']
    """
    x = bg.as_table(x, fitting=True)
    prior = bg.prior(prior)
    if not isinstance(prior, bg.Conjugate):
        raise ValueError(f"prior must be a Conjugate, which the t distributions share with Gaussians, not {prior!r}")
    prior = bg.scale_prior(prior, x, n_components, case_weights=case_weights)
    matrix = ("component", "feature", "feature_other")
    with pm.Model(coords=bg.coords(x, n_components)) as model:
        weights = pm.Dirichlet("weights", bg.concentration(prior.concentration, n_components), dims="component")
        dof = pm.Gamma("dof", np.array(float(dof_shape)), np.array(float(dof_rate)), dims="component")
        scales = bg.InverseWishart("scale_matrices", prior.dof, prior.scale, dims=matrix)
        means = pm.MvNormal("means", prior.mean, scales / prior.shrinkage, dims=("component", "feature"))
        components = pm.MvStudentT.dist(nu=dof, mu=means, scale=scales)
        bg.MarginalMixture("x", weights, components, observed=x.values, case_weights=case_weights,
                           dims=("obs", "feature"))  # fmt: skip
    return model
