"""Where the climbs begin: k-means++ on sphered rows, which does not depend on the units of the features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayesgmm.fit.moments import moments
from bayesgmm.kernel import Incomplete, Stats
from bayesgmm.kernel.conditional import complete

# Rows that a start looks at: more would cost more than the climb saves.
SAMPLE = 20_000
_LLOYD_STEPS = 5


def sphere(covariance: np.ndarray) -> np.ndarray:
    """A matrix (D, D') with which rows of this covariance, times it, have unit covariance.

    Directions without any spread are left out of the distance (D' < D), not blown up; they are looked for among
    the correlations, so that a feature in small units is not taken for one without spread.
    """
    sds = np.sqrt(np.diag(covariance))
    units = np.where(sds > 0, sds, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(units, units))
    keep = values > values[-1] * len(values) * np.finfo(float).eps
    return vectors[:, keep] / np.sqrt(values[keep]) / units[:, None]


def kmeans_plus_plus(y: np.ndarray, n_components: int, rng: np.random.Generator) -> np.ndarray:
    """Seeds (K, D) among the rows y, far apart: each drawn in proportion to its squared distance from the nearest.

    Arthur & Vassilvitskii (2007). Never draws equal rows while there are others.
    """
    seeds = [y[rng.integers(len(y))]]
    nearest = np.full(len(y), np.inf)
    while len(seeds) < n_components:
        nearest = np.minimum(nearest, ((y - seeds[-1]) ** 2).sum(axis=1))
        total = nearest.sum()
        seeds.append(y[rng.choice(len(y), p=nearest / total if total > 0 else None)])
    return np.array(seeds)


def _lloyd(y, seeds):
    for _ in range(_LLOYD_STEPS):
        distance = (seeds**2).sum(axis=1) - 2 * y @ seeds.T
        labels = distance.argmin(axis=1)
        r = np.eye(len(seeds))[labels]
        counts = r.sum(axis=0)
        seeds = np.where(counts[:, None] > 0, r.T @ y / np.maximum(counts, 1)[:, None], seeds)
    return r


def start_statistics(x, n_components: int, n_starts: int, rng, case_weights=None,
                     whole: Stats | None = None) -> Iterator[Stats]:  # fmt: skip
    """Statistics (N_k, x̄_k, S_k) to begin from, one a start, on the scale of all rows.

    Each covariance is shrunk toward the pooled one by D + 1 points' worth, so that a small group can begin. Missing
    cells are filled with what the one Gaussian that is most likely expects; ``whole`` are its `moments`, if known.
    """
    if isinstance(x, Incomplete):
        whole = whole or moments(x, case_weights)
        x = complete(x, whole.means[0], np.linalg.cholesky(whole.scatters[0] / whole.total))
    total = len(x) if case_weights is None else float(np.sum(case_weights))
    chosen = np.sort(rng.choice(len(x), SAMPLE, replace=False)) if len(x) > SAMPLE else slice(None)
    rows = np.asarray(x[chosen], dtype=float)
    weights = np.ones(len(rows)) if case_weights is None else np.asarray(case_weights, dtype=float)[chosen]
    rows, weights = rows[weights > 0], weights[weights > 0]
    y = (rows - rows.mean(axis=0)) @ sphere(np.atleast_2d(np.cov(rows, rowvar=False)))
    for _ in range(n_starts):
        r = _lloyd(y, kmeans_plus_plus(y, n_components, rng)) * weights[:, None]
        yield _shrunk(Stats.of(rows, r), total / weights.sum())


def _shrunk(stats: Stats, grow: float) -> Stats:
    pooled = stats.scatters.sum(axis=0) / stats.total
    share = stats.n_features + 1
    # A group that lost its rows begins at the centre, as one point's worth of the pooled covariance.
    counts = np.maximum(stats.counts, 1.0)
    means = np.where(stats.counts[:, None] > 0, stats.means, stats.counts @ stats.means / stats.total)
    scatters = (stats.scatters + share * pooled) * (counts / (stats.counts + share))[:, None, None]
    return Stats(counts * grow, means, scatters * grow)
