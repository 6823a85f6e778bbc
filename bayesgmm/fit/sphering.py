"""Units in which rows, or neighbours, have unit covariance: distances do not depend on the units of the features."""

from __future__ import annotations

import numpy as np


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


def sphered(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rows (N, D) that count as often as their weights, in units in which their covariance is the identity (N, D').

    The axes are any: only what depends on distances alone is free of units.
    """
    centred = rows - weights @ rows / weights.sum()
    return centred @ sphere((centred * weights[:, None]).T @ centred / weights.sum())


# Neighbours of a row; turns until who is a neighbour hardly changes; rows that are looked at, in their order.
_NEIGHBOURS, _TURNS, _MOST = 10, 6, 500
# Part of the mean spread that every direction has: where a feature has few values, neighbours may not differ in it.
_LEAST = 0.01


def sphere_neighbours(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A matrix (D, D') with which differences between neighbours have unit covariance, times it.

    Differences between neighbours are those within clusters, so that clusters are about round in these units, and lie
    further apart than where they themselves are a part of the unit. Any linear map of the rows leaves distances alone.
    Where rows are too few to tell, it is `sphere` of all.

    Parameters
    ----------
    rows : ndarray (N, D)
    weights : ndarray (N,)
        How often each counts, for the units of all rows.

    References
    ----------
    Art, Gnanadesikan & Kettenring (1982), who take the nearest pairs of all.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> x[:100, 0] += 20  # two clusters, ten standard deviations of all rows apart
    >>> turn = sphere_neighbours(x, np.ones(200))
    >>> spread = (x @ turn).std(axis=0)
    >>> bool(spread.max() > 5 * spread.min())
    True
    """
    centred = rows - weights @ rows / weights.sum()
    all_rows = sphere((centred * weights[:, None]).T @ centred / weights.sum())
    some = np.unique((centred @ all_rows)[:: -(-len(rows) // _MOST)], axis=0)
    k, n_features = min(_NEIGHBOURS, len(some) // 10), all_rows.shape[1]
    if n_features < 2 or k * len(some) < 4 * n_features**2:
        return all_rows
    turn = np.eye(n_features)
    for _ in range(_TURNS):
        z = some @ turn
        squares = (z**2).sum(axis=1)
        distances = squares[:, None] + squares - 2 * z @ z.T
        distances.flat[:: len(some) + 1] = np.inf
        near = np.argpartition(distances, k - 1, axis=1)[:, :k]
        gaps = (some[:, None] - some[near]).reshape(-1, n_features)
        spread = gaps.T @ gaps / len(gaps)
        turn = sphere(spread + _LEAST * np.trace(spread) / n_features * np.eye(n_features))
    return all_rows @ turn
