"""How well every number of components predicts: leave-one-out cross-validation of posteriors with K held fixed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from bayesgmm.draws.convergence import convergence
from bayesgmm.draws.mixtures import group_of, posterior_of, read
from bayesgmm.engines import sample_components

# Sweeps of each chain; the prior of the components is that of the posterior of K, and so free of K.
_SWEEPS = {"draws": 500, "tune": 2000, "thin": 5, "chains": 4}
# Draws × rows whose log densities are held.
_MOST = 20_000_000
# A difference that is below both is none: nats, and standard errors of the difference.
NATS, ERRORS = 4.0, 2.0


def loo_by_number(table, numbers, *, prior, covariance_type, seeds, progress, draws=None):
    """A DataFrame, a row a number of components, best last or not: its expected log predictive density by PSIS-LOO.

    Columns ``elpd`` with its ``se``, ``difference`` from the best with ``difference_se``, ``rough``, the rows for
    which importance sampling cannot be trusted (Pareto k above 0.7), ``r_hat`` of the log-likelihood, and ``as_good``,
    whether the difference is below four nats or below two standard errors. If interrupted, the numbers that are
    finished are there, and ``attrs["incomplete"]`` is set.
    """
    found, cut = {}, False
    given = draws if isinstance(draws, Mapping) else {}
    try:
        for k, seed in zip(numbers, seeds):
            tree = given[k] if k in given else _fitted(table, k, prior, covariance_type, seed, progress)
            if cut := bool(tree.attrs.get("incomplete", 0)):
                break
            found[k] = _pointwise(tree, table.values)
    except KeyboardInterrupt:
        cut = True
    if not found:
        raise KeyboardInterrupt("no number of components was finished, so there is nothing to keep")
    return _ranked(found, cut)


def _fitted(table, k, prior, covariance_type, seed, progress):
    """The posterior of K components, all weights alike beforehand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an interrupt is told once, at the end
        return sample_components(table, process="sparse", n_components=k, concentration=1.0, prior=prior,
                                 covariance_type=covariance_type, seed=seed, progress=progress, **_SWEEPS)  # fmt: skip


def _pointwise(tree, rows: np.ndarray):
    """Of each row the log predictive density given the others (N,); Pareto's k (N,); R-hat of the log-likelihood."""
    import arviz_stats
    import xarray as xr
    from arviz_stats import ess

    values = _log_densities(tree, rows)
    total = values.sum(axis=2)
    n_draws = total.size
    with np.errstate(all="ignore"):
        effective = float(np.ravel(ess(total[None], method="mean", chain_axis=1, draw_axis=2))[0])
    reff = float(np.clip(effective / n_draws, 1 / n_draws, 1.0)) if np.isfinite(effective) else 1.0
    dims = ("chain", "draw", "obs")
    held = xr.DataTree.from_dict({"log_likelihood": xr.Dataset({"x": (dims, values)},
                                  {name: np.arange(n) for name, n in zip(dims, values.shape)})})  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is in the table
        loo = arviz_stats.loo(held, var_name="x", pointwise=True, reff=reff)
    r_hat = convergence({"log-likelihood": total.ravel()}, len(values))["r_hat"].iloc[0]
    return np.ravel(loo.elpd_i.values), np.ravel(loo.pareto_k.values), float(r_hat)


def _log_densities(tree, rows: np.ndarray) -> np.ndarray:
    """log p(x_n | draw) (chain, draw, obs), of every so many draws where they would be too many."""
    group = group_of(tree, "log_likelihood")
    if group is not None and "x" in group:
        values = group["x"].transpose("chain", "draw", "obs").values
        if values.shape[2] != len(rows):
            raise ValueError(f"x has {len(rows)} rows, and the draws handed over in loo are of {values.shape[2]}")
        return values
    posterior = posterior_of(tree)
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    step = -(-chains * draws * len(rows) // _MOST)
    mixtures = read(tree)
    which = np.arange(chains * draws).reshape(chains, draws)[:, ::step]
    return mixtures.take(which.ravel()).log_prob(rows).reshape(*which.shape, len(rows))


def _ranked(found: dict, cut: bool):
    import pandas as pd

    best = max(found, key=lambda k: found[k][0].sum())
    rows = {}
    for k, (elpd, pareto_k, r_hat) in found.items():
        off = elpd - found[best][0]
        n, difference = len(elpd), float(off.sum())
        se = float(np.sqrt(n * off.var(ddof=1)))
        rows[k] = {"elpd": float(elpd.sum()), "se": float(np.sqrt(n * elpd.var(ddof=1))), "difference": difference,
                   "difference_se": se, "rough": int((pareto_k > 0.7).sum()), "r_hat": r_hat,
                   "as_good": -difference <= max(NATS, ERRORS * se)}  # fmt: skip
    made = pd.DataFrame.from_dict(rows, orient="index").rename_axis("n_components")
    made.attrs["incomplete"] = cut
    return made
