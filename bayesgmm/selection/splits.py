"""Where to look for a mixture of one component more: each component cut in two."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from bayesgmm.fit.sphering import sphere
from bayesgmm.kernel import Stats

# A Gaussian that is cut through its middle: how far the middles of the halves lie from it, in standard deviations, and
# the part of the variance that is left to each.
_AWAY, _LEFT = sqrt(2 / pi), 1 - 2 / pi


def splits(stats: Stats, whole: Stats) -> list[Stats]:
    """For each component the statistics with it cut across its longest axis, as if its rows were Gaussian.

    Longest in units in which all rows, with these moments, have unit covariance: the cut does not depend on units. Law:
    the halves add up to what was cut.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> whole = Stats.of(x)
    >>> (halves,) = splits(whole, whole)
    >>> bool(np.allclose(halves.scatters.sum(axis=0) + 25 * np.cov(halves.means.T, ddof=0) * 2, whole.scatters[0]))
    True
    """
    turn = sphere(whole.scatters[0] / whole.total)
    return [_cut(stats, k, turn) for k in range(stats.n_components) if stats.counts[k] > 0]


def _cut(stats: Stats, k: int, turn: np.ndarray) -> Stats:
    count, mean, scatter = stats.counts[k], stats.means[k], stats.scatters[k]
    values, vectors = np.linalg.eigh(turn.T @ (scatter / count) @ turn)
    # One standard deviation along the axis, in data units: Σ t (tᵀ Σ t)^(-1/2).
    axis = (scatter / count) @ turn @ vectors[:, -1] / sqrt(max(values[-1], np.finfo(float).tiny))
    half = 0.5 * (scatter - count * (1 - _LEFT) * np.outer(axis, axis))
    others = np.arange(stats.n_components) != k
    return Stats(
        np.concatenate([stats.counts[others], [0.5 * count] * 2]),
        np.concatenate([stats.means[others], [mean - _AWAY * axis, mean + _AWAY * axis]]),
        np.concatenate([stats.scatters[others], [half, half]]),
    )
