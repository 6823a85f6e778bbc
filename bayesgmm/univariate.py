"""Mixtures of one feature, many at a time: distribution functions and their inverses."""

from __future__ import annotations

import numpy as np

# Halvings of a bracket that is some standard deviations wide: more than a double can tell apart.
_HALVINGS = 80


def cdf(x, weights, means, sds) -> np.ndarray:
    """P(X ≤ x) (…, N) of rows x (…, N) under mixtures whose weights, means and sds are (…, K).

    Examples
    --------
    >>> cdf(np.zeros(1), np.array([0.5, 0.5]), np.array([-1.0, 1.0]), np.ones(2))
    array([0.5])
    """
    from scipy.special import ndtr

    z = (np.asarray(x)[..., :, None] - means[..., None, :]) / sds[..., None, :]
    return np.einsum("...nk,...k->...n", ndtr(z), weights)


def quantile(q, weights, means, sds) -> np.ndarray:
    """The x (…, N) at which `cdf` is q (N,), for mixtures whose weights, means and sds are (…, K).

    Examples
    --------
    >>> quantile(np.array([0.975]), np.array([0.5, 0.5]), np.array([3.0, 3.0]), np.ones(2)).round(4)
    array([4.96])
    """
    from scipy.special import ndtri

    # The components' own quantiles bracket the mixture's, but for rounding.
    ends = means[..., None, :] + ndtri(np.asarray(q))[:, None] * sds[..., None, :]
    low, high = ends.min(axis=-1), ends.max(axis=-1)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if not ((middle > low) & (middle < high)).any():
            break
        below = cdf(middle, weights, means, sds) < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
