"""Are numbers uniform on (0, 1)? Simultaneous bands of their empirical distribution function, without simulation."""

from __future__ import annotations

import numpy as np

# Tails that rounding alone sets apart are one.
_ROUNDING = 1e-9


def uniformity(values) -> float:
    """The probability that n uniform numbers leave the simultaneous band of their ECDF that these just touch.

    The ECDF is looked at where z = i/n. Each count there is binomial; the smallest of their two-sided tail
    probabilities is how far the numbers stray, and a simultaneous band of a level is where it does not fall below a
    bound. Its level is exact: counts are those of a Poisson process given its total, and sum over z one after another.
    So the numbers lie outside the band of level 0.999 where this is below 0.001; a simulated band could not tell levels
    as close to 1 as many comparisons need.

    Parameters
    ----------
    values : array_like (n,)
        Numbers in [0, 1].

    Returns
    -------
    float

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022), whose bands these are; their recursion takes binomial steps.

    Examples
    --------
    >>> import numpy as np
    >>> middles = (np.arange(50) + 0.5) / 50
    >>> uniformity(middles) > 0.99, uniformity(middles**2) < 0.01
    (True, True)
    """
    values = np.sort(np.asarray(values, dtype=float))
    n = len(values)
    counts = np.searchsorted(values, np.arange(1, n) / n, side="right")
    tails = _tails(n)
    least = tails[np.arange(n - 1), counts].min(initial=1.0)
    return float(np.clip(1.0 - _coverage(tails > least * (1 + _ROUNDING)), 0.0, 1.0))


def band(n: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The simultaneous band: the least and the most of n uniform numbers below i/n, i = 1 … n − 1.

    Parameters
    ----------
    n : int
    level : float
        The probability that the counts lie within it everywhere is at least this.

    Returns
    -------
    lower, upper : ndarray (n − 1,)
        Counts that are still inside; `uniformity` is below 1 − level exactly where one lies outside.

    Examples
    --------
    >>> [part.tolist() for part in band(5, 0.9)]
    [[0, 0, 1, 2], [3, 4, 5, 5]]
    """
    tails = _tails(n)
    bounds = np.unique(tails)
    low, high = 0, len(bounds) - 1  # with bounds[low] the band holds at least the level
    while low < high:
        middle = (low + high + 1) // 2
        wide = _coverage(tails >= bounds[middle] * (1 - _ROUNDING)) >= level
        low, high = (middle, high) if wide else (low, middle - 1)
    inside = tails >= bounds[low] * (1 - _ROUNDING)
    return inside.argmax(axis=1), n - inside[:, ::-1].argmax(axis=1)


def _tails(n: int) -> np.ndarray:
    """Two-sided tail probabilities (n − 1, n + 1) of a count k of n numbers below i/n."""
    from scipy.special import bdtr

    z, k = np.arange(1, n)[:, None] / n, np.arange(n + 1)
    below = bdtr(k, n, z)
    above = 1.0 - np.concatenate([np.zeros((n - 1, 1)), below[:, :-1]], axis=1)
    return np.minimum(1.0, 2 * np.minimum(below, above))


def _coverage(inside: np.ndarray) -> float:
    """The probability that the counts of n uniform numbers lie inside at every z = i/n; inside (n − 1, n + 1)."""
    from scipy.special import gammaln

    n = inside.shape[1] - 1
    k = np.arange(n + 1)
    step = np.exp(-1.0 - gammaln(k + 1))  # a Poisson process of rate n has one point between neighbours, on average
    reached = np.zeros(n + 1)
    reached[0] = 1.0
    for allowed in inside:
        reached = np.convolve(reached, step)[: n + 1] * allowed
    return np.convolve(reached, step)[n] / np.exp(n * np.log(n) - n - gammaln(n + 1))
