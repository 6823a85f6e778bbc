"""Where the climbs begin: groups of a tree, k-means++, rows at random, or what a user gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bayesgmm.fit.begin import Beginning, grown, shrunk
from bayesgmm.fit.degenerate import THINNEST, thinnest
from bayesgmm.fit.hierarchy import CRITERIA, Tree, hierarchy
from bayesgmm.fit.moments import moments
from bayesgmm.fit.sphering import sphered
from bayesgmm.fit.wanted import HIERARCHY, MOVES, wanted
from bayesgmm.kernel import Incomplete, LowRank, Stats, e_step
from bayesgmm.kernel.conditional import complete
from bayesgmm.mixture import Mixture

# Rows that a start looks at: more would cost more than the climb saves.
SAMPLE = 20_000
_LLOYD_STEPS = 5
QUANTILES = "quantiles"


def kmeans_plus_plus(y: np.ndarray, n_components: int, rng: np.random.Generator, weights=None) -> np.ndarray:
    """Seeds (K, D) among the rows y, far apart: each drawn in proportion to its squared distance from the nearest.

    Arthur & Vassilvitskii (2007). Never draws equal rows while there are others.
    """
    counts = 1.0 if weights is None else weights
    seeds = [y[rng.choice(len(y), p=None if weights is None else weights / weights.sum())]]
    nearest = np.full(len(y), np.inf)
    while len(seeds) < n_components:
        nearest = np.minimum(nearest, ((y - seeds[-1]) ** 2).sum(axis=1))
        total = (counts * nearest).sum()
        seeds.append(y[rng.choice(len(y), p=counts * nearest / total if total > 0 else None)])
    return np.array(seeds)


def _lloyd(y, seeds, weights):
    for _ in range(_LLOYD_STEPS):
        distance = (seeds**2).sum(axis=1) - 2 * y @ seeds.T
        labels = distance.argmin(axis=1)
        r = np.eye(len(seeds))[labels]
        counts = weights @ r
        sums = (r * weights[:, None]).T @ y
        seeds = np.where(counts[:, None] > 0, sums / np.where(counts > 0, counts, 1.0)[:, None], seeds)
    return r


def starts_for(x, n_components: int, starts, rng, case_weights=None, *, tree: Tree | None = None,
               whole: Stats | None = None, moves: bool = False) -> Iterator[Beginning]:  # fmt: skip
    """What climbs begin from, one after the other, on the scale of all rows.

    Laws: what is yielded moves with the rows under any linear map of them, and a seed fixes it.

    Parameters
    ----------
    x : ndarray (N, D) or Incomplete
        Missing cells are filled with what the one Gaussian that is most likely expects.
    n_components : int
        K.
    starts : int, str, mapping, array, Mixture, Fit or list
        See `fit_mle`; or what `wanted` made of it.
    rng : Generator or int
    case_weights : ndarray (N,), optional
        Positive.
    tree : Tree, optional
        The rows' `hierarchy`, where it is already there: one serves all K.
    whole : Stats, optional
        The rows' `moments`, if known.
    moves : bool
        Yield a `Beginning` without statistics for each start by split and merge; otherwise nothing.
    """
    asked, rng = wanted(starts, n_components, *x.shape), np.random.default_rng(rng)
    rows = _filled(x, case_weights, whole)
    weights = None if case_weights is None else np.asarray(case_weights, dtype=float)
    total, sample = float(len(rows) if weights is None else weights.sum()), None
    for one in asked:
        if one.own is not None:
            yield Beginning(one.name, _own(one.own, x, rows, weights))
            continue
        tree = tree or hierarchy(rows, case_weights)
        if one.name == HIERARCHY:
            yield from (_cut(tree, n_components, criterion, total) for criterion in _criteria(rows)[: one.count])
        elif one.name == MOVES:
            yield from [Beginning(MOVES, None)] * (one.count if moves else 0)
        else:
            sample = sample or _Sample.of(rows, weights, rng, total, tree.units)
            yield from (_DRAWN[one.name](sample, n_components, rng, i) for i in range(one.count))


def start_statistics(x, n_components: int, n_starts: int, rng, case_weights=None,
                     whole: Stats | None = None) -> Iterator[Stats]:  # fmt: skip
    """The statistics of so many starts by k-means++."""
    begin = starts_for(x, n_components, {"kmeans++": n_starts}, rng, case_weights, whole=whole)
    return (one.stats for one in begin)


def _filled(x, case_weights, whole) -> np.ndarray:
    """Rows with what the one Gaussian that is most likely expects in missing cells."""
    if not isinstance(x, Incomplete):
        return x
    whole = whole or moments(x, case_weights)
    return complete(x, whole.means[0], np.linalg.cholesky(whole.scatters[0] / whole.total))


class _Sample(NamedTuple):
    """Rows that random starts look at, the same in units of neighbours and sphered, by turns, for starts that differ;
    and the share that they are of all.
    """

    rows: np.ndarray
    ys: tuple[np.ndarray, np.ndarray]
    weights: np.ndarray
    share: float

    @classmethod
    def of(cls, x, weights, rng, total, units) -> _Sample:
        chosen = np.sort(rng.choice(len(x), SAMPLE, replace=False)) if len(x) > SAMPLE else slice(None)
        rows = np.asarray(x[chosen], dtype=float)
        some = np.ones(len(rows)) if weights is None else weights[chosen]
        ys = (rows - some @ rows / some.sum()) @ units, sphered(rows, some)
        return cls(rows, ys, some, some.sum() / total)

    def stats(self, responsibilities) -> Stats:
        return grown(shrunk(Stats.of(self.rows, responsibilities * self.weights[:, None])), 1 / self.share)


def _apart(sample, k, rng, i: int) -> Beginning:
    y = sample.ys[i % 2]
    seeds = kmeans_plus_plus(y, k, rng, sample.weights)
    return Beginning("kmeans++", sample.stats(_lloyd(y, seeds, sample.weights)))


def _at_random(sample, k, rng, i: int) -> Beginning:
    """Centres at rows drawn at random, each with one covariance."""
    y = sample.ys[i % 2]
    centres = y[rng.choice(len(y), k, replace=False, p=sample.weights / sample.weights.sum())]
    log_r = y @ centres.T - 0.5 * (centres**2).sum(axis=1)
    r = np.exp(log_r - log_r.max(axis=1, keepdims=True))
    return Beginning("random", sample.stats(r / r.sum(axis=1, keepdims=True)))


_DRAWN = {"kmeans++": _apart, "random": _at_random}


def _criteria(rows) -> tuple[str, ...]:
    return (QUANTILES, *CRITERIA[:2]) if rows.shape[1] == 1 else CRITERIA


def _cut(tree: Tree, k: int, criterion: str, total: float) -> Beginning:
    """The groups of a tree; of one feature, those between quantiles as well."""
    if criterion == QUANTILES:
        labels = _between_quantiles(tree, k)
    else:
        labels = tree.groups(min(k, tree.n_leaves), criterion)
    rows = np.asarray(tree.rows[tree.chosen], dtype=float)
    stats = Stats.of(rows, np.eye(k)[labels] * tree.weights[:, None])
    return Beginning(f"{HIERARCHY} {criterion}", grown(shrunk(stats), total / tree.weights.sum()))


def _between_quantiles(tree, k) -> np.ndarray:
    """Of sorted rows, the same weight in each group; equal rows are in the same."""
    values, same = np.unique(tree.rows[tree.chosen, 0], return_inverse=True)
    counts = np.bincount(same, tree.weights)
    below = (np.cumsum(counts) - counts) / counts.sum()
    return np.minimum((below * k + 1e-9).astype(int), k - 1)[same]


def _own(given, x, rows, weights) -> Stats:
    if isinstance(given, Mixture):
        if isinstance(given.whitening, LowRank):
            given = Mixture.from_scale_trils(given.weights, given.means, given.scale_trils)
        return e_step(x, given, weights, pointwise=False, single=False)[1]
    stats = Stats.of(np.asarray(rows, dtype=float), given if weights is None else given * weights[:, None])
    # An M-step at exactly these, unless it would collapse.
    return shrunk(stats) if not (stats.counts > 0).all() or _is_thin(stats) else stats


def _is_thin(stats: Stats) -> bool:
    one = sum((Stats(*(a[k : k + 1] for a in (stats.counts, stats.means, stats.scatters)))
               for k in range(stats.n_components)), Stats.zero(1, stats.n_features))  # fmt: skip
    return bool(thinnest(stats.scatters / stats.counts[:, None, None], one).min() < THINNEST)
