"""How well each of several fits and posteriors predicts rows that it has not seen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from bayesgmm import univariate
from bayesgmm.comparison.items import Item
from bayesgmm.comparison.rows import Rows
from bayesgmm.draws.affinity import as_draws
from bayesgmm.draws.mixtures import MixtureDraws, group_of, read
from bayesgmm.draws.regions import levels_among, log_densities
from bayesgmm.fit.again import target_of
from bayesgmm.fit.climbs import climb_each
from bayesgmm.fit.result import Fit

# Newton's decrement at which a refit ends: a thousandth of a nat, which no score shows.
_TOLERANCE = 1e-3
# Numbers held at once, for distribution functions under all draws.
_BLOCK = 8_000_000


@dataclass(frozen=True)
class HeldOut:
    """What was predicted of each row from the others.

    Attributes
    ----------
    method : str
        How rows were left out.
    log_density : ndarray (N,)
        log p(x_n | the others), in nats.
    pit : ndarray (N, D)
        P(X_d ≤ x_nd | the others); NaN where a cell is missing.
    level : ndarray (N,)
        The probability of the smallest region of highest density that reaches the row.
    pareto_k : ndarray (N,) or None
        Of importance sampling, a shape above 0.7 says that it cannot be trusted for the row.
    """

    method: str
    log_density: np.ndarray
    pit: np.ndarray
    level: np.ndarray
    pareto_k: np.ndarray | None = None


def held_out(item: Item, rows: Rows, folds: int, seed: int) -> HeldOut | str:
    """By importance sampling for draws, by refits for a fit; or a sentence why it cannot be told."""
    try:
        return _left_out(item, rows) if item.fit is None else _refitted(item, rows, folds, seed)
    except ValueError as error:
        return f"{item.name} has no held-out score: {error}"


def score_table(items: list[Item], found: dict[str, HeldOut], rows: Rows):
    """A DataFrame, a row an item: the sum of held-out log densities, its standard error, and that of differences."""
    import pandas as pd

    totals = {name: rows.counts * held.log_density for name, held in found.items()}
    best = max(totals, key=lambda name: totals[name].sum())
    table = {}
    for item in items:
        if item.name in found:
            held, total = found[item.name], totals[item.name]
            off = total - totals[best]
            rough = 0 if held.pareto_k is None else int((held.pareto_k > 0.7).sum())
            table[item.name] = {
                "n_components": item.mixture.n_components, "covariance_type": item.covariance_type,
                "method": held.method, "elpd": total.sum(), "se": _se(total), "difference": off.sum(),
                "difference_se": _se(off), "rough": rough,
            }  # fmt: skip
    return pd.DataFrame.from_dict(table, orient="index")


def calibration_table(found: dict[str, HeldOut], features):
    """A DataFrame of p-values, a row an item: are the PIT of each feature, and the density levels, uniform?"""
    import pandas as pd
    from scipy.stats import kstest

    def p_value(values):
        return kstest(values[np.isfinite(values)], "uniform").pvalue

    rows = {}
    for name, held in found.items():
        row = {feature: p_value(values) for feature, values in zip(features, held.pit.T)}
        rows[name] = row | ({"density level": p_value(held.level)} if len(features) > 1 else {})
    return pd.DataFrame.from_dict(rows, orient="index")


def _se(total: np.ndarray) -> float:
    return float(np.sqrt(len(total) * total.var(ddof=1))) if len(total) > 1 else np.nan


def _left_out(item: Item, rows: Rows) -> HeldOut:
    """Pareto-smoothed importance sampling (Vehtari, Gelman & Gabry 2017)."""
    import arviz_stats

    group = group_of(item.draws, "log_likelihood")
    if group is None or "x" not in group:
        raise ValueError("the draws have no log_likelihood of x; bayesgmm.extend adds it")
    if group.sizes["obs"] != len(rows.values):
        raise ValueError(f"x has {len(rows.values)} rows, and the draws' log_likelihood {group.sizes['obs']}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is in the table
        found = arviz_stats.loo(item.draws, var_name="x", pointwise=True)
    shares = np.exp(found.log_weights.transpose("chain", "draw", "obs").values.reshape(-1, len(rows.values)))
    shares /= shares.sum(axis=0)
    mixtures = read(item.draws)
    log_density = np.log((shares * np.exp(mixtures.log_prob(rows.values))).sum(axis=0))
    return HeldOut("PSIS-LOO", log_density, _pit(mixtures, rows.values, shares),
                   levels_among(log_density, log_densities(item.draws)), found.pareto_k.values.ravel())  # fmt: skip


def _refitted(item: Item, rows: Rows, folds: int, seed: int) -> HeldOut:
    """Of each of several parts of the rows, what a fit to the others predicts; every refit begins at the fit."""
    if not isinstance(item.fit, Fit):
        raise ValueError("it says nothing of how it was fitted")
    n, target = len(rows.values), target_of(item.fit, "a held-out score")
    if not 2 <= folds <= n:
        raise ValueError(f"folds must be between 2 and the {n} rows, not {folds}")
    part = np.random.default_rng(seed).permutation(n) % folds
    kept = [(rows.table.rows, np.where(part == fold, 0.0, rows.counts)) for fold in range(folds)]
    log_density, pit, level = np.empty(n), np.empty(rows.values.shape), np.empty(n)
    for fold, ended in enumerate(climb_each(kept, item.mixture, target, _TOLERANCE)):
        if ended.mixture is None:
            raise ValueError(f"without part {fold} of the rows a component collapses; fewer components, or a prior, "
                             "would not")  # fmt: skip
        out, mixture = part == fold, as_draws(ended.mixture)
        log_density[out] = mixture.log_prob(rows.values[out])[0]
        pit[out] = _pit(mixture, rows.values[out], np.ones((1, out.sum())))
        level[out] = levels_among(log_density[out], log_densities(ended.mixture, seed=fold))
    return HeldOut(f"{folds}-fold refits", log_density, pit, level)


def _pit(mixtures: MixtureDraws, values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Σ_m shares[m, n] F_d(x_nd | draw m) (N, D)."""
    pit = np.empty(values.shape)
    step = max(1, _BLOCK // mixtures.weights.size)
    sds = np.sqrt(np.diagonal(mixtures.covariances, axis1=-2, axis2=-1))
    for d in range(values.shape[1]):
        for block in (slice(i, i + step) for i in range(0, len(values), step)):
            below = univariate.cdf(values[block, d], mixtures.weights, mixtures.means[..., d], sds[..., d])
            pit[block, d] = (shares[:, block] * below).sum(axis=0)
    return pit
