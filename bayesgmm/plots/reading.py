"""What a figure needs of a fit or a posterior: mixtures, a handful of draws, and rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.data import as_table
from bayesgmm.draws.invariants import observed_rows
from bayesgmm.draws.mixtures import MixtureDraws, read
from bayesgmm.kernel import e_step
from bayesgmm.mixture import Mixture

_SEED = 20
_EVALUATIONS = 2_000_000


@dataclass(frozen=True)
class Subject:
    """What is to be drawn.

    Attributes
    ----------
    point : Mixture
        The estimate itself, or the posterior mean.
    sample : MixtureDraws or None
        Some posterior draws; None for a point estimate.
    rows : ndarray (N, D) or None
        The data, if there are any.
    name : str
        What a legend calls `point`.
    """

    point: Mixture
    sample: MixtureDraws | None
    rows: np.ndarray | None
    name: str

    @cached_property
    def labels(self) -> np.ndarray:
        """The most probable component (N,) of each row."""
        return shares(self).argmax(axis=1)


def subject(fit_or_draws, x, n_draws: int) -> Subject:
    """The subject of a figure, from a `Mixture`, a `Fit` or posterior draws, thinned to `n_draws`."""
    if not hasattr(fit_or_draws, "children"):
        mixture = mixture_of(fit_or_draws)
        name = getattr(fit_or_draws, "estimator", "mixture")
        return Subject(mixture, None, None if x is None else rows_of(x, mixture.features), name)
    mixtures = read(fit_or_draws)
    return Subject(mixtures.mean(), thinned(mixtures, n_draws), rows_in(fit_or_draws, x, mixtures), "posterior mean")


def mixture_of(fit) -> Mixture:
    """The mixture of a `Fit`, or the `Mixture` itself.

    Raises
    ------
    TypeError
        If it is neither.
    """
    mixture = getattr(fit, "mixture", fit)
    if not isinstance(mixture, Mixture):
        raise TypeError(f"a Fit, a Mixture or posterior draws (a DataTree) can be drawn, not {type(fit).__name__}")
    return mixture


def rows_in(draws, x, mixtures: MixtureDraws) -> np.ndarray | None:
    """The rows (N, D) of `x`, or without `x` those that the draws keep as observed data (None if they keep none)."""
    if x is not None:
        return rows_of(x, mixtures.features)
    rows = observed_rows(draws, mixtures.features)
    return None if rows is None else rows[np.isfinite(rows).all(axis=1)]


def rows_of(x, features) -> np.ndarray:
    """The columns `features` of data as an array (N, D).

    Raises
    ------
    ValueError
        As `bayesgmm.data.as_table` does.
    """
    return as_table(x, features=features).values


def thinned(mixtures: MixtureDraws, n_draws: int) -> MixtureDraws:
    """At most `n_draws` of the draws, always the same ones, shuffled: the first few come from every chain."""
    keep = np.random.default_rng(_SEED).permutation(len(mixtures))[:n_draws]
    return mixtures.take(keep)


def varies(values: np.ndarray) -> bool:
    """Whether draws differ by more than rounding: a single component's weight and a diagonal's zeros do not."""
    return bool(np.ptp(values, axis=(0, 1) if values.ndim > 1 else 0).max() > 1e-9 * np.abs(values).max())


def shares(what: Subject) -> np.ndarray:
    """P(Z_n = k | x_n) (N, K) of the subject's rows, averaged over as many draws as are quickly evaluated."""
    if what.sample is None:
        return what.point.responsibilities(what.rows)
    few = thinned(what.sample, int(np.clip(_EVALUATIONS // len(what.rows), 1, 60)))
    total = sum(e_step(what.rows, draw, responsibilities=True)[2] for draw in few.evaluables())
    return total / len(few)


def best_features(mixture: Mixture, how_many: int) -> list[int]:
    """Positions of the features that separate the components best, in the order of the data.

    For two, the pair whose components overlap least; for more, the features that do so one by one. The overlap is
    Bhattacharyya's bound Σ_{j<k} √(π_j π_k) exp(−B_jk) on the share of points that would be confused.
    """
    d = mixture.n_features
    if how_many >= d:
        return list(range(d))
    if how_many == 2:
        pairs = np.argwhere(np.triu(np.ones((d, d)), 1))
        return pairs[np.argmin([_overlap(mixture, list(pair)) for pair in pairs])].tolist()
    alone = [_overlap(mixture, [j]) for j in range(d)]
    return np.sort(np.argsort(alone, kind="stable")[:how_many]).tolist()


def _overlap(mixture: Mixture, keep: list[int]) -> float:
    first, second = np.triu_indices(mixture.n_components, 1)
    covariances = mixture.covariances[:, keep][:, :, keep]
    middle = 0.5 * (covariances[first] + covariances[second])
    shift = (mixture.means[first] - mixture.means[second])[:, keep]
    logs = np.linalg.slogdet(covariances)[1]
    quadratic = (shift * np.linalg.solve(middle, shift[..., None])[..., 0]).sum(axis=-1)
    distance = 0.125 * quadratic + 0.5 * np.linalg.slogdet(middle)[1] - 0.25 * (logs[first] + logs[second])
    return float((np.sqrt(mixture.weights[first] * mixture.weights[second]) * np.exp(-distance)).sum())
