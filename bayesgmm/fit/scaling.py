"""`scale_prior`: a prior's constants, in data units, where it leaves them to the data."""

from __future__ import annotations

import numpy as np

from bayesgmm.data import DataError, Table, as_table, check_components
from bayesgmm.fit.moments import moments
from bayesgmm.priors import Prior
from bayesgmm.priors import prior as prior_of

_SINGULAR = (
    "the features are linearly dependent (their covariance is singular), so a prior cannot be scaled by the data: drop "
    "a feature that the others determine, or give the prior its constants"
)


def scale_prior(prior, x, n_components: int, *, case_weights=None, missing="raise") -> Prior:
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
    missing : {"raise", "marginalise"}
        Missing cells are an error, or summed out: the moments are then those of the most likely Gaussian.

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
    >>> x = bg.load_dataset("faithful")
    >>> p = scale_prior("conjugate", x, 2)
    >>> p.mean.round(2).tolist(), p.dof
    ([3.49, 70.9], 4.0)
    >>> bool(abs(p.shrinkage - np.trace(np.linalg.solve(x.cov(), p.scale)) / 2) < 1e-10)
    True
    """
    prior, table = prior_of(prior), as_table(x, fitting=True, keep=True, missing=missing)
    table, weights = counted(table, case_weights)
    check_components(table, n_components)
    n_features = table.n_features
    for name, shape in (("mean", (n_features,)), ("scale", (n_features, n_features))):
        given = getattr(prior, name)
        if given is not None and given.shape != shape:
            said = f"the prior's {name} has shape {given.shape}"
            raise ValueError(f"{said}, but x has {n_features} features: give {shape}")
    if prior.is_scaled:
        return prior.with_constants(n_components)
    mean, covariance = _moments(table.rows, weights)
    scale = prior.scale if prior.scale is not None else _within(prior, table, covariance, n_components, weights)
    shrinkage = float(np.trace(np.linalg.solve(covariance, scale)) / n_features)
    return prior.with_constants(n_components, mean=mean, dof=n_features + 2.0, scale=scale, shrinkage=shrinkage)


def _moments(x, case_weights):
    rows = moments(x, case_weights)
    if not rows.total > 1:
        raise ValueError(f"case_weights sum to {rows.total:g}; they are frequencies and must sum to more than 1")
    covariance = rows.scatters[0] / (rows.total - 1)
    if _is_singular(covariance):
        raise ValueError(_SINGULAR)
    return rows.means[0], covariance


def _is_singular(covariance):
    # Of correlations, so that features of very different units are not taken for dependent ones.
    sds = np.sqrt(np.diag(covariance))
    values = np.linalg.eigvalsh(covariance / np.outer(sds, sds))
    return values[0] <= values[-1] * len(values) * np.finfo(float).eps


def _within(prior, table, covariance, n_components, case_weights):
    n_features, n_obs = table.n_features, table.n_obs if case_weights is None else case_weights.sum()
    if prior.scaling == "mclust":
        return covariance / n_components ** (2 / n_features)
    from bayesgmm.fit.mle import fit_mle

    tied = fit_mle(table, n_components, covariance_type="tied", case_weights=case_weights, missing="marginalise",
                   seed=0, progress=False)  # fmt: skip
    share = n_features / (n_obs + n_features)
    return (1 - share) * tied.mixture.covariances[0] + share * np.diag(np.diag(covariance))


def counted(table: Table, case_weights) -> tuple[Table, np.ndarray | None]:
    """The rows that count, and their frequencies: a weight of 0 is a row that is not there."""
    if case_weights is None:
        return table, None
    weights = np.ascontiguousarray(case_weights, dtype=float)
    if weights.shape != (table.n_obs,):
        raise DataError(f"case_weights has shape {weights.shape}, but x has {table.n_obs} rows: give one weight a row")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"case_weights[{row}] is {weights[row]}: weights must be finite and not negative")
    if not weights.any():
        raise DataError("case_weights are all zero: no row counts")
    if weights.all():
        return table, weights
    left = Table(table.values[weights > 0], table.features)
    return as_table(left, name="x without the rows of case weight 0", fitting=True, keep=True,
                    missing="marginalise"), weights[weights > 0]  # fmt: skip
