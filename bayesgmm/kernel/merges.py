"""Agglomeration: which clusters of rows are merged, in which order; the loop is in `agglomerate`."""

from __future__ import annotations

import numpy as np

from bayesgmm.kernel.evaluate import address
from bayesgmm.kernel.library import AGGLOMERATE, function

#: As `agglomerate` numbers them.
CRITERIA = {"VVV": 0, "EII": 1, "VII": 2}


def merges(x: np.ndarray, weights: np.ndarray, criterion: str = "VVV", ridge: float = 1.0) -> np.ndarray:
    """The mergers (N − 1, 2) of rows, each named by its two clusters' first rows, that make N clusters one.

    Always the two clusters are merged for which a sum over clusters grows least: of n log(|W/n| + (tr W + c)/n) for
    "VVV", D n log((tr W + c)/n) for "VII", tr W for "EII" (Ward 1963). Of several, the first in the order of the rows.

    Parameters
    ----------
    x : ndarray (N, D)
        Finite rows, in units in which they have about unit variance: prices are told apart to 1e-9.
    weights : ndarray (N,)
        How often each row counts; positive.
    criterion : {"VVV", "EII", "VII"}
    ridge : float
        c > 0: keeps the cost of a single row, where W = 0, finite.

    Returns
    -------
    ndarray of int (N − 1, 2)
        The smaller first. Memory is 8 N² bytes and, for VVV, 8 N D² more.

    References
    ----------
    Banfield & Raftery (1993); Fraley (1998) for the algorithm and the regularised VVV; the lower bounds on what is
    cheapest after Müllner (2011).

    Examples
    --------
    >>> import numpy as np
    >>> merges(np.array([[0.0], [5.0], [0.1], [5.3]]), np.ones(4), "EII")
    array([[0, 2],
           [1, 3],
           [0, 1]])
    """
    means, counts = np.array(x, dtype=float), np.array(weights, dtype=float)
    (n, d), kind = means.shape, CRITERIA[criterion]
    if counts.shape != (n,) or not (counts > 0).all() or not np.isfinite(means).all():
        raise ValueError(f"x {means.shape} must be finite, and weights {counts.shape} one positive number a row")
    pairs = np.zeros((n, 2), dtype=np.int64)
    prices, scatters = np.empty((n, n)), np.empty((n, d * d if criterion == "VVV" else 1))
    numbers, places, c = np.empty(2 * n + max(1, d * d)), np.empty(2 * n, dtype=np.int64), np.array([float(ridge)])
    arrays = (means, counts, c, pairs, prices, scatters, numbers, places)
    function(AGGLOMERATE)(n, d, kind, *map(address, arrays))
    return pairs[:-1]
