"""Would data from this posterior look like the data? Posterior predictive checks of what mixtures get wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayesgmm.draws.impute import impute
from bayesgmm.draws.invariants import case_weights, observed_rows
from bayesgmm.draws.mixtures import MixtureDraws, from_arrays, read
from bayesgmm.draws.regions import levels_among
from bayesgmm.draws.replicate import replicates
from bayesgmm.draws.statistics import DISTANCE, of_features, of_levels, of_pairs

if TYPE_CHECKING:
    import pandas as pd

# Replicated data sets: at most, at least, and numbers in all of them where rows are many.
_MOST_SETS, _LEAST_SETS, _NUMBERS = 1000, 200, 200_000_000
# Rows of each data set whose level is looked at, draws that the predictive density is averaged over, rows at once.
_LEVEL_ROWS, _DENSITIES, _AT_ONCE = 500, 100, 20_000
_LEAST_BINS, _MOST_BINS = 12, 60


class Picture(NamedTuple):
    """A feature's histogram: edges (B + 1,), densities of the data (B,) and of replicated sets (R, B)."""

    edges: np.ndarray
    observed: np.ndarray
    replicated: np.ndarray


class Levels(NamedTuple):
    """HDR levels of rows, of the data (1 or R, n) and of replicated sets (R, n)."""

    observed: np.ndarray
    replicated: np.ndarray


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """What `predictive_check` found.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a statistic and feature: ``statistic``, ``feature``, ``observed``, ``predicted`` (mean over replicated
        data sets), ``lower`` and ``upper``, their interval, and ``p``, the tail probability.
    pictures : dict of Picture
        Histograms by feature, and
    levels : Levels
        of HDR levels, what `bayesgmm.plot_predictive_check` draws.
    """

    table: pd.DataFrame
    pictures: dict[str, Picture]
    levels: Levels

    def __str__(self) -> str:
        least = self.table.loc[self.table["p"].idxmin()]
        return (f"{len(self.table)} statistics; smallest tail probability {least['p']:.2g}: {least['statistic']} of "
                f"{least['feature']} is {least['observed']:.3g}, where {least['lower']:.3g} to {least['upper']:.3g} "
                "is predicted")  # fmt: skip


def predictive_check(draws, *, ci_prob: float = 0.95, seed=None) -> PredictiveCheck:
    """Set statistics of the data beside those of data sets that the posterior predicts, with as many rows.

    The statistics are such that a mixture of too few components, or of data that are no Gaussian mixture, gets them
    wrong: of each feature the sd, skewness, kurtosis, smallest and largest value, and the depth of the deepest valley
    of a density estimate; of each pair the correlation. Of all features together it is the log density: the HDR level
    of a row is the probability of the region where the posterior predictive density is higher than at the row, and is
    uniform if the model is right; its Kolmogorov distance from uniform is checked, and the lowest log density. None of
    them depends on labels.

    Parameters
    ----------
    draws : xarray.DataTree
        That hold their rows (``observed_data``).
    ci_prob : float
        Probability of the equal-tailed intervals.
    seed : int, optional
        The same seed gives the same table.

    Returns
    -------
    PredictiveCheck
        ``.table`` has a row a statistic. ``p`` is two-sided, 2 min(P(T_rep ≥ T), P(T_rep ≤ T)), but for the
        distance of levels, of which only large ones are bad.

    Raises
    ------
    ValueError
        If the draws are no posterior of a mixture, hold no rows, or case weights that are not whole numbers.

    Notes
    -----
    These p-values use the data twice, to fit and to check, and so are conservative: under the right model they
    gather about one half and are not uniform (Bayarri & Berger 2000). A small one speaks against the model; that none
    is small does not prove it right. There are many of them: expect no more of the smallest than of the smallest of as
    many.

    Up to 1000 data sets are replicated, one for each of so many draws (fewer of very long ones). Levels are of at most
    500 rows. Missing cells of the data are drawn from the posterior predictive, anew for each data set (Gelman et al.
    2005). A row counts as often as its case weight says.

    References
    ----------
    Rubin (1984); Gelman, Meng & Stern (1996); Bayarri & Berger (2000); missing cells: Gelman, Van Mechelen, Verbeke,
    Heitjan & Meulders (2005); highest density regions: Hyndman (1996).

    Examples
    --------
    One component for two groups:

    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(-3, 1, (50, 1)), rng.normal(3, 1, (50, 1))])
    >>> means = x.mean() + 0.3 * rng.standard_normal((4, 100, 1, 1))
    >>> draws = from_arrays(np.ones((4, 100, 1)), means, np.full((4, 100, 1, 1, 1), x.var()), x=x)
    >>> table = predictive_check(draws, seed=1).table
    >>> table.loc[table["p"] < 0.01, "statistic"].tolist()
    ['kurtosis', 'valley', 'distance of HDR levels', 'lowest log density']
    """
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must be strictly between 0 and 1, not {ci_prob}")
    mixtures, rng = read(draws), np.random.default_rng(seed)
    rows = _rows(draws, mixtures)
    few = mixtures.take(_spread(len(mixtures), _n_sets(*rows.shape)))
    data = _complete(rows, few, rng)
    look = _Looker(few.features, _bins(data), rng.permutation(len(rows))[:_LEVEL_ROWS])
    observed, replicated = look.at([data]), look.at(replicates(few, len(rows), rng))
    levels = _with_levels(observed, replicated, few)
    pictures = {
        name: Picture(edges, seen.mean(axis=0), told)
        for name, edges, seen, told in zip(few.features, look.bins, observed.densities, replicated.densities)
    }
    return PredictiveCheck(_table(observed.numbers, replicated.numbers, ci_prob), pictures, levels)


class _Seen(NamedTuple):
    """What was seen of data sets."""

    numbers: dict[tuple[str, str], np.ndarray]  # (R,) by statistic and feature
    densities: list[np.ndarray]  # (R, B), a feature each
    rows: np.ndarray  # (R, n, D): the rows whose levels are looked at


@dataclass(frozen=True)
class _Looker:
    """What to look at, of data sets that come in blocks (m, N, D)."""

    features: tuple[str, ...]
    bins: list[np.ndarray]
    chosen: np.ndarray

    def at(self, blocks) -> _Seen:
        numbers, densities, rows = zip(*map(self._block, blocks))
        joined = {key: np.concatenate([part[key] for part in numbers]) for key in numbers[0]}
        return _Seen(joined, [np.concatenate(parts) for parts in zip(*densities)], np.concatenate(rows))

    def _block(self, x: np.ndarray) -> _Seen:
        numbers = of_features(x, self.features) | of_pairs(x, self.features)
        return _Seen(numbers, [_histograms(x[..., j], edges) for j, edges in enumerate(self.bins)], x[:, self.chosen])


def _with_levels(observed: _Seen, replicated: _Seen, few: MixtureDraws) -> Levels:
    """The levels of rows; what is said of them joins the numbers that were seen."""
    average = few.take(_spread(len(few), _DENSITIES))
    at, told = (_log_predictive(seen.rows, average) for seen in (observed, replicated))
    levels = Levels(*(levels_among(values, told.ravel()) for values in (at, told)))
    for seen, values, u in ((observed, at, levels.observed), (replicated, told, levels.replicated)):
        seen.numbers.update(of_levels(u) | {("lowest log density", "all"): values.min(axis=1)})
    return levels


def _table(observed, replicated, ci_prob: float) -> pd.DataFrame:
    import pandas as pd

    tail, found = 0.5 * (1.0 - ci_prob), []
    for (statistic, feature), told in replicated.items():
        seen, n = observed[statistic, feature], len(told) + 1
        above, below = ((1 + np.count_nonzero(side)) / n for side in (told >= seen, told <= seen))
        p = above if statistic == DISTANCE else min(1.0, 2.0 * min(above, below))
        found.append((statistic, feature, seen.mean(), told.mean(), *np.quantile(told, [tail, 1.0 - tail]), p))
    return pd.DataFrame(found, columns=["statistic", "feature", "observed", "predicted", "lower", "upper", "p"])


def _rows(draws, mixtures: MixtureDraws) -> np.ndarray:
    rows = observed_rows(draws, mixtures.features)
    if rows is None:
        raise ValueError("the draws hold no rows (a variable (obs, feature) in observed_data), so nothing to check")
    weights = case_weights(draws, len(rows))
    if weights is None:
        return rows
    counts = weights.astype(np.int64)
    if (counts != weights).any():
        raise ValueError("case_weights must be whole numbers for a check: so many rows of a data set are alike")
    return np.repeat(rows, counts, axis=0)


def _complete(rows: np.ndarray, few: MixtureDraws, rng) -> np.ndarray:
    """The data (1, N, D), or (R, N, D) with missing cells filled anew from each draw."""
    gaps = np.isnan(rows)
    if not gaps.any():
        return rows[None]
    tree = from_arrays(few.weights[None], few.means[None], few.covariances[None], x=rows, features=few.features)
    filled = np.repeat(rows[None], len(few), axis=0)
    filled[:, gaps] = impute(tree, seed=rng).values[0]
    return filled


def _log_predictive(x: np.ndarray, mixtures: MixtureDraws) -> np.ndarray:
    """log of the average of p(x | draw) over draws, (R, n) of rows (R, n, D)."""
    rows = x.reshape(-1, x.shape[2])
    some = (rows[i : i + _AT_ONCE] for i in range(0, len(rows), _AT_ONCE))
    parts = [np.logaddexp.reduce(mixtures.log_prob(few), axis=0) for few in some]
    return np.concatenate(parts).reshape(x.shape[:2]) - np.log(len(mixtures))


def _n_sets(n: int, d: int) -> int:
    return int(np.clip(_NUMBERS // (n * d), _LEAST_SETS, _MOST_SETS))


def _spread(n: int, most: int) -> np.ndarray:
    """Positions of at most so many of n draws, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(int)


def _bins(data: np.ndarray) -> list[np.ndarray]:
    """Edges of a histogram of each feature, which reach a little beyond the data."""
    found = []
    for values in data[0].T:
        low, high = values.min(), values.max()
        beyond = 0.07 * (high - low) or 1.0
        n = len(np.histogram_bin_edges(values, "fd")) if high > low else 0
        found.append(np.linspace(low - beyond, high + beyond, int(np.clip(1.2 * n, _LEAST_BINS, _MOST_BINS)) + 1))
    return found


def _histograms(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Densities (R, B) of values (R, N); what lies beyond the edges is left out, and counts in N."""
    (r, n), bins = values.shape, len(edges) - 1
    width = edges[1] - edges[0]
    place = np.floor((values - edges[0]) / width).clip(-1, bins).astype(int) + 1
    counts = np.bincount((place + (bins + 2) * np.arange(r)[:, None]).ravel(), minlength=r * (bins + 2))
    return counts.reshape(r, -1)[:, 1:-1] / (n * width)
