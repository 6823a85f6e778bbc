"""`scale_prior`: a prior's constants, in data units, where it leaves them to the data."""

from __future__ import annotations

import numpy as np

from bayesgmm.data import DataError, Table, as_table, check_components
from bayesgmm.families import family
from bayesgmm.fit.moments import moments
from bayesgmm.priors import LKJ, Hierarchical, Prior
from bayesgmm.priors import prior as prior_of

_SINGULAR = (
    "the features are linearly dependent (their covariance is singular), so a prior cannot be scaled by the data: drop "
    "a feature that the others determine, or give the prior its constants"
)


def scale_prior(
    prior, x, n_components: int, *, covariance_type="full", case_weights=None, missing="raise"
) -> Prior:
    """Fill the constants that a prior leaves out from the data.

    Parameters
    ----------
    prior : str or Prior
        "conjugate", "independent", "hierarchical", "lkj", or a value of `bayesgmm.priors`.
    x : array, frame or file (N, D)
        Rows in data units.
    n_components : int
        K.
    covariance_type : str or Family
        What the prior is for, which matters to mclust alone: its Ψ₀ of diagonal families has one variance.
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
    After Fraley & Raftery (2007), Richardson & Green (1997) and Malsiner-Walli, Frühwirth-Schnatter & Grün (2016); the
    priors themselves have the formulas.

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
    _check_shapes(prior, table.n_features)
    if prior.is_scaled:
        return prior.with_constants(n_components)
    if isinstance(prior, Hierarchical):
        return prior.with_constants(n_components, **_of_ranges(prior, table, weights))
    mean, covariance = _moments(table.rows, weights)
    constants = {"mean": mean, "mean_covariance": covariance, "dof": table.n_features + 2.0}
    constants["eta"] = 0.5 * (table.n_features + 3)
    scale = getattr(prior, "scale", None)
    if scale is None:
        scale = _within(getattr(prior, "scaling", "pooled"), table, covariance, n_components, weights)
        if getattr(prior, "is_mclusts", False) and family(covariance_type).is_diagonal:
            scale = np.trace(scale) / len(scale) * np.eye(len(scale))
    constants["scale"] = scale
    constants["shrinkage"] = float(np.trace(np.linalg.solve(covariance, scale)) / table.n_features)
    if isinstance(prior, LKJ):
        constants["scales"] = prior.scales.scaled(*(np.sqrt(np.diag(m)) for m in (scale, covariance)))
    return prior.with_constants(n_components, **{n: v for n, v in constants.items() if hasattr(prior, n)})


def _check_shapes(prior, n_features):
    lengths = {"feature": n_features, "feature_other": n_features}
    for name, (dims, value) in prior.constants.items():
        shape = tuple(lengths.get(dim, -1) for dim in dims)
        if value is not None and -1 not in shape and np.shape(value) != shape:
            said = f"the prior's {name} has shape {np.shape(value)}"
            raise ValueError(f"{said}, but x has {n_features} features: give {shape}")


def _of_ranges(prior, table, case_weights) -> dict:
    """Constants of `Hierarchical` that are left out: from the ranges R and the middles, free of K."""
    d, values = table.n_features, np.asarray(table.values, dtype=float)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    squares = np.diag((high - low) ** 2)
    c, g, middle = 2.0, 0.2, 0.5 * (low + high)
    if d > 1:
        c, g, middle = 2.5 + 0.5 * (d - 1), 0.5 + 0.5 * (d - 1), _medians(values, case_weights)
    c, g = (default if given is None else given for default, given in ((c, prior.shape), (g, prior.rate_shape)))
    rate_rate = (10.0 if d == 1 else 100.0 * g / c) * np.linalg.inv(squares)
    return {"mean": middle, "mean_covariance": squares, "shape": c, "rate_shape": g, "rate_rate": rate_rate}


def _medians(values, case_weights) -> np.ndarray:
    """The median of each column, of the cells that are there; a row of weight 2 is two rows."""
    if case_weights is None:
        return np.nanmedian(values, axis=0)
    return np.array([_median(column[~np.isnan(column)], case_weights[~np.isnan(column)]) for column in values.T])


def _median(values, weights) -> float:
    """The middle of all points at which half of the weight lies on either side."""
    order = np.argsort(values)
    below, half = np.cumsum(weights[order]), 0.5 * weights.sum()
    ends = [np.searchsorted(below, half, side=side) for side in ("left", "right")]
    return float(values[order][np.minimum(ends, len(values) - 1)].mean())


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


def _within(scaling, table, covariance, n_components, case_weights):
    n_features, n_obs = table.n_features, table.n_obs if case_weights is None else case_weights.sum()
    if scaling == "mclust":
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
