"""`scale_prior`: a prior's constants, in data units, where it leaves them to the data."""

from __future__ import annotations

import numpy as np

from bayesgmm.data import as_table, check_components
from bayesgmm.priors import Prior
from bayesgmm.priors import prior as prior_of


def scale_prior(prior, x, n_components: int, *, case_weights=None) -> Prior:
    """Fill the constants that a prior leaves out from the data.

    Parameters
    ----------
    prior : "conjugate" or Prior
    x : array, frame or file (N, D)
        Rows in data units.
    n_components : int
        K.
    case_weights : array (N,), optional
        Frequencies of the rows.

    Returns
    -------
    Prior
        With every constant a number, in data units, and one concentration a component.

    Raises
    ------
    ValueError
        If the prior is not known, or constants given do not fit the data's D features or K components.

    References
    ----------
    After Fraley & Raftery (2007); `bayesgmm.Conjugate` has the formulas.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> p = scale_prior("conjugate", bg.load_dataset("faithful"), 2)
    >>> p.mean.round(2).tolist(), p.dof, round(p.shrinkage, 3)
    ([3.49, 70.9], 4.0, 0.178)
    """
    table, prior = as_table(x, fitting=True), prior_of(prior)
    check_components(table, n_components)
    n_features = table.n_features
    for name, shape in (("mean", (n_features,)), ("scale", (n_features, n_features))):
        given = getattr(prior, name)
        if given is not None and given.shape != shape:
            raise ValueError(f"the prior's {name} has shape {given.shape}, but x has {n_features} features: give {shape}")
    if prior.is_scaled:
        return prior.with_constants(n_components)
    mean, covariance = _moments(table.values, case_weights)
    scale = prior.scale if prior.scale is not None else _within(prior, table, covariance, n_components, case_weights)
    shrinkage = float(np.trace(np.linalg.solve(covariance, scale)) / n_features)
    return prior.with_constants(n_components, mean=mean, dof=n_features + 2.0, scale=scale, shrinkage=shrinkage)


def _moments(x, case_weights):
    weights = np.ones(len(x)) if case_weights is None else case_weights
    mean = weights @ x / weights.sum()
    covariance = (x - mean).T @ ((x - mean) * weights[:, None]) / (weights.sum() - 1)
    if np.linalg.matrix_rank(covariance, hermitian=True, tol=_singular(covariance)) < len(covariance):
        raise ValueError(
            "the features are linearly dependent (their covariance is singular), so a prior cannot be scaled by the "
            "data: drop a feature that the others determine, or give the prior its constants"
        )
    return mean, covariance


def _singular(covariance):
    return np.linalg.eigvalsh(covariance)[-1] * len(covariance) * np.finfo(float).eps


def _within(prior, table, covariance, n_components, case_weights):
    n_obs, n_features = table.values.shape
    if prior.scaling == "mclust":
        return covariance / n_components ** (2 / n_features)
    from bayesgmm.fit.mle import fit_mle

    tied = fit_mle(table, n_components, covariance_type="tied", case_weights=case_weights, seed=0, progress=False)
    share = n_features / (n_obs + n_features)
    return (1 - share) * tied.mixture.covariances[0] + share * np.diag(np.diag(covariance))
