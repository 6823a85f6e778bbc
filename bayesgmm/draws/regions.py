"""Regions of highest density of the predictive distribution, and the levels at which points enter them."""

from __future__ import annotations

import numpy as np

from bayesgmm import univariate
from bayesgmm.draws.densities import Predictive, _curves, _require_probability, predictive

_POINTS = 4001
# Points drawn where there are several features: levels are right to √(p (1 − p) / 10 000), half a per cent at most;
# and draws of the parameters that the density is averaged over there, which adds a few tenths of that.
_DRAWN, _DRAWS = 10_000, 500


def highest_density(draws, prob=(0.5, 0.95), *, features=None, given=None, seed=0):
    """The smallest regions that hold a new point with given probabilities.

    A region is where the density exceeds a threshold (Hyndman 1996); it may be in several pieces.

    Parameters
    ----------
    draws : DataTree, Bootstrap, Fit or Mixture
        The density is that of `predictive_density`.
    prob : float or sequence of float
        Probabilities of the regions.
    features, given
        As for `predictive_density`.
    seed : int
        For several features, thresholds are quantiles of the density at 10 000 points drawn from it: the probability
        of a region is right to half a per cent.

    Returns
    -------
    pandas.DataFrame
        A row a region; for one feature a row an interval, with ``lower`` and ``upper`` in data units. Columns ``prob``
        and ``log_density``, the logarithm of the threshold.

    Raises
    ------
    ValueError
        If a probability is not strictly between 0 and 1, or as `predictive_density` does.

    References
    ----------
    Hyndman (1996), Computing and graphing highest density regions.

    Examples
    --------
    >>> from bayesgmm import Mixture
    >>> m = Mixture([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
    >>> highest_density(m, 0.95)[["lower", "upper"]].round(2).values.tolist()
    [[-1.96, 1.96], [8.04, 11.96]]
    """
    import pandas as pd

    levels = np.atleast_1d(np.asarray(prob, dtype=float))
    for level in levels:
        _require_probability(level, "prob")
    found = predictive(draws, features, given)
    if len(found.features) > 1:
        found = _thinned(found)
        thresholds = np.quantile(_log_density(found, _drawn(found, seed)), 1.0 - levels)
        return pd.DataFrame({"prob": levels, "log_density": thresholds})
    rows = [row for level in levels for row in _intervals(found, level)]
    return pd.DataFrame(rows, columns=["prob", "log_density", "lower", "upper"])


def density_levels(draws, x, *, seed=0) -> np.ndarray:
    """The probability of the smallest region of highest density that reaches each point.

    Of new points from the predictive distribution these are uniform, whatever the number of features: many near one
    are points where the density says there should be few, many near zero say that it is too wide.

    Parameters
    ----------
    draws : DataTree, Bootstrap, Fit or Mixture
    x : array_like (N, D)
    seed : int

    Returns
    -------
    ndarray (N,)

    Examples
    --------
    >>> from bayesgmm import Mixture
    >>> density_levels(Mixture([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 1.0]]]), [[0.0, 1.0]]).round(1)
    array([0.4])
    """
    from bayesgmm.data import as_table

    found = _thinned(predictive(draws))
    rows = as_table(x, features=found.features).values
    return levels_among(_log_density(found, rows), log_densities(draws, seed=seed))


def log_densities(draws, *, seed=0) -> np.ndarray:
    """The log density at 10 000 points drawn from it: what density levels are read from."""
    found = _thinned(predictive(draws))
    return _log_density(found, _drawn(found, seed))


def levels_among(log_density, drawn) -> np.ndarray:
    """Levels (N,) of points with such log densities, given those of points drawn from the density.

    Examples
    --------
    >>> levels_among(np.array([-3.0, -1.0]), np.linspace(-4, 0, 1000)).round(2)
    array([0.75, 0.25])
    """
    return 1.0 - (np.searchsorted(np.sort(drawn), log_density) + 0.5) / (len(drawn) + 1.0)


def _thinned(found: Predictive) -> Predictive:
    keep = np.linspace(0, len(found.centre) - 1, min(_DRAWS, len(found.centre))).astype(int)
    shares = found.shares[keep] / found.shares[keep].sum()
    return Predictive(found.centre.take(keep), shares, None)


def _log_density(found: Predictive, rows: np.ndarray) -> np.ndarray:
    return _curves(Predictive(found.centre, found.shares, None), rows, "log_density", 0.5)["log_density"]


def _drawn(found: Predictive, seed) -> np.ndarray:
    """Points (10 000, D) of the average of mixtures."""
    rng, mixtures = np.random.default_rng(seed), found.centre
    which = rng.choice(len(mixtures), size=_DRAWN, p=found.shares)
    passed = np.cumsum(mixtures.weights, axis=1)[which] < rng.random(_DRAWN)[:, None]
    labels = np.minimum(passed.sum(axis=1), mixtures.n_components - 1)
    noise = rng.standard_normal((_DRAWN, len(found.features)))
    return mixtures.means[which, labels] + np.einsum("nij,nj->ni", mixtures.scale_trils[which, labels], noise)


def _intervals(found: Predictive, level: float) -> list[tuple[float, float, float, float]]:
    """(level, log threshold, lower, upper) of every piece, for one feature: exact but for a grid of 4001 points."""
    axis = np.linspace(*univariate.quantile(np.array([1e-9, 1 - 1e-9]), *found.pooled()), _POINTS)
    log_density = _log_density(found, axis[:, None])
    mass = np.exp(log_density)
    order = np.argsort(-mass)
    held = np.cumsum(mass[order]) / mass.sum()
    threshold = float(np.interp(level, held, log_density[order]))
    inside = np.concatenate([[False], log_density >= threshold, [False]])
    starts, stops = np.flatnonzero(inside[1:] & ~inside[:-1]), np.flatnonzero(inside[:-1] & ~inside[1:]) - 1
    return [(level, threshold, _crossing(axis, log_density, threshold, i, i - 1),
             _crossing(axis, log_density, threshold, j, j + 1)) for i, j in zip(starts, stops)]  # fmt: skip


def _crossing(axis, heights, threshold, inside: int, outside: int) -> float:
    """Where the threshold is met between two neighbours of the grid."""
    if not 0 <= outside < len(axis):
        return float(axis[inside])
    share = (heights[inside] - threshold) / (heights[inside] - heights[outside])
    return float(axis[inside] + share * (axis[outside] - axis[inside]))
