"""A mixture of K Poisson distributions.

Z_n ~ Categorical(π)                 which component row n comes from; summed out
X_n | Z_n = k ~ Poisson(e_n λ_k)     the count; e_n its exposure, 1 where none is given

π ~ Dirichlet(α)
λ_k ~ Gamma(a, b), of mean a / b; where b is not given it is a Σ_n e_n / Σ_n x_n: the mean is the overall rate
"""

import numpy as np
import pymc as pm

import bayesgmm as bg


def poisson_mixture(x, n_components, *, exposure=None, concentration=1.0, shape=1.0, rate=None, case_weights=None):
    """Tell the story of K Poisson distributions as a PyMC model.

    Parameters
    ----------
    x : array, frame or file (N,) or (N, 1)
        Counts: whole numbers of at least 0.
    n_components : int
        K.
    exposure : array (N,), optional
        e_n > 0: time, area, or people at risk.
    concentration : float
        α.
    shape, rate : float
        a and b of the rates' prior; without ``rate`` it is scaled by the data, as the formulas above say.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.

    Returns
    -------
    pymc.Model
        With ``weights``, ``rates`` and the observed ``x``; dims ``component``, ``obs``.

    Raises
    ------
    ValueError
        If a row is no count, or an argument is out of range; the message says which.

    References
    ----------
    Viallefont, Richardson & Green (2002).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = poisson_mixture([0, 1, 1, 2, 0, 30, 28, 33], 2)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'rates']
    """
    counts = _counts(x)
    exposure = _exposure(exposure, len(counts))
    for name, value in (("concentration", concentration), ("shape", shape), ("rate", 1.0 if rate is None else rate)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a number above 0, not {value!r}")
    if rate is None and counts.sum() == 0:
        raise ValueError("every count is 0, so the data give the rates no scale: give the prior's rate")
    rate = shape * exposure.sum() / counts.sum() if rate is None else rate
    with pm.Model(coords={"component": range(n_components), "obs": range(len(counts))}) as model:
        weights = pm.Dirichlet("weights", np.full(n_components, float(concentration)), dims="component")
        rates = pm.Gamma("rates", np.array(float(shape)), np.array(float(rate)), dims="component")
        components = pm.Poisson.dist(mu=exposure[:, None] * rates)
        bg.MarginalMixture("x", weights, components, observed=counts, case_weights=case_weights, dims="obs")
    return model


def _counts(x) -> np.ndarray:
    """The counts (N,)."""
    table = bg.as_table(x)
    if table.n_features != 1:
        raise ValueError(f"x must be one column of counts, but has {table.n_features}: {', '.join(table.features)}")
    counts = table.values[:, 0]
    wrong = np.flatnonzero((counts < 0) | (counts != np.round(counts)))
    if wrong.size:
        raise ValueError(f"x must be counts, whole numbers of at least 0, but row {wrong[0]} is {counts[wrong[0]]:g}")
    return counts.astype(np.int64)


def _exposure(exposure, n_rows: int) -> np.ndarray:
    if exposure is None:
        return np.ones(n_rows)
    exposure = np.asarray(exposure, dtype=float)
    if exposure.shape != (n_rows,):
        raise ValueError(f"exposure must be {n_rows} numbers, one a row; it has the shape {exposure.shape}")
    wrong = np.flatnonzero(~(exposure > 0) | ~np.isfinite(exposure))
    if wrong.size:
        raise ValueError(f"exposure must be finite and above 0, but in row {wrong[0]} it is {exposure[wrong[0]]:g}")
    return exposure
