"""Predictive weights of modes that chains do not leave: how to weigh their predictions, not how probable they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.draws.mixtures import group_of, posterior_of

_STEPS, _GAIN = 5000, 1e-10


class Stacked(NamedTuple):
    """Weights (G,) that sum to one, and how many rows' leave-one-out densities are rough (Pareto's k too high)."""

    weights: np.ndarray
    rough: int


def predictive_weights(draws, groups: np.ndarray) -> Stacked | None:
    """The weights of groups of chains whose mixed predictions of rows left out are best, by stacking.

    They maximise Σ_n log Σ_g w_g p_g(x_n | x_−n), where p_g averages over the chains of group g. That is about
    predictions: two modes that predict alike share their weights arbitrarily, whatever their posterior masses are.

    Parameters
    ----------
    draws : xarray.DataTree
    groups : ndarray of int (C,)
        The group of each chain, 0 … G − 1.

    Returns
    -------
    Stacked or None
        None if the draws have no pointwise log-likelihood.

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018) for stacking, Yao, Vehtari & Gelman (2022) for chains in different modes;
    densities of rows left out: Vehtari, Gelman & Gabry (2017).

    Examples
    --------
    >>> import xarray as xr
    >>> from bayesgmm.draws import from_arrays
    >>> draws = from_arrays(np.ones((2, 50, 1)), np.zeros((2, 50, 1, 1)), np.ones((2, 50, 1, 1, 1)))
    >>> log_density = np.random.default_rng(0).normal(scale=0.1, size=(2, 50, 40)) - np.array([1, 4])[:, None, None]
    >>> draws["log_likelihood"] = xr.DataTree(xr.Dataset({"x": (("chain", "draw", "obs"), log_density)}))
    >>> predictive_weights(draws, np.array([0, 1])).weights.round(2)
    array([1., 0.])
    """
    group = group_of(draws, "log_likelihood")
    names = [] if group is None else ["x"] if "x" in group else list(group.data_vars)
    if len(names) != 1:
        return None
    parts = {"posterior": posterior_of(draws), "log_likelihood": group[names]}
    chains = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    found = [_left_out({name: part.isel(chain=c) for name, part in parts.items()}) for c in chains]
    return Stacked(stack(np.array([f[0] for f in found])), int(np.any([f[1] for f in found], axis=0).sum()))


def stack(log_densities: np.ndarray) -> np.ndarray:
    """w on the simplex (G,) that maximises Σ_n log Σ_g w_g exp(log_densities[g, n]), by EM: the problem is concave.

    Examples
    --------
    >>> stack(np.log([[0.9, 0.9, 0.9, 0.1], [0.1, 0.1, 0.1, 0.9]])).round(4)
    array([0.8125, 0.1875])
    """
    densities = np.exp(log_densities - log_densities.max(axis=0))
    weights = np.full(len(densities), 1.0 / len(densities))
    for _ in range(_STEPS):
        shares = weights[:, None] * densities
        new = (shares / shares.sum(axis=0)).mean(axis=1)
        moved, weights = np.abs(new - weights).max(), new
        if moved < _GAIN:
            break
    return weights


def _left_out(parts) -> tuple[np.ndarray, np.ndarray]:
    """log p(x_n | x_−n) (N,), and where Pareto's k is too high to trust it."""
    import warnings

    import arviz_stats
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is counted
        found = arviz_stats.loo(xr.DataTree.from_dict(parts), pointwise=True)
    return found.elpd_i.values.ravel(), found.pareto_k.values.ravel() > found.good_k
