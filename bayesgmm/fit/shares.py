"""Where climbs of a story with components of its own begin: responsibilities, for nothing else is known of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayesgmm.fit.sphering import sphere
from bayesgmm.fit.starts import kmeans_plus_plus

# What a row gives to its own group at first, and the concentration of shares that are drawn.
_SURE, _CONCENTRATION = 0.9, 0.5
_STEPS = 5


def start_responsibilities(x, n_components: int, n_starts: int, rng, case_weights=None) -> Iterator[np.ndarray]:
    """Responsibilities (N, K), times the case weights, to begin from, one a start.

    Every other start groups the rows by k-means on their own values. The others are random: where components differ in
    how rows depend on covariates, the values alone say little.
    """
    y, n = _standard(x), len(x)
    weights = np.ones(n) if case_weights is None else np.asarray(case_weights, dtype=float)
    for start in range(n_starts):
        if start % 2 or y is None:
            r = rng.dirichlet(np.full(n_components, _CONCENTRATION), size=n)
        else:
            r = np.full((n, n_components), (1 - _SURE) / n_components)
            r[np.arange(n), _nearest(y, kmeans_plus_plus(y, n_components, rng))] += _SURE
        yield r * weights[:, None]


def _standard(x):
    """Rows sphered, or None where they are no finite numbers or do not differ."""
    values = np.asarray(x)
    if values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        return None
    rows = values.reshape(len(values), -1).astype(float)
    y = (rows - rows.mean(axis=0)) @ sphere(np.atleast_2d(np.cov(rows, rowvar=False)))
    return y if y.size and np.isfinite(y).all() and np.ptp(y) > 0 else None


def _nearest(y, seeds) -> np.ndarray:
    """The group (N,) of every row after some steps of k-means from seeds (K, D)."""
    for _ in range(_STEPS):
        labels = ((seeds**2).sum(axis=1) - 2 * y @ seeds.T).argmin(axis=1)
        own = labels[:, None] == np.arange(len(seeds))
        counts = own.sum(axis=0)
        seeds = np.where(counts[:, None] > 0, own.T @ y / np.maximum(counts, 1)[:, None], seeds)
    return labels
