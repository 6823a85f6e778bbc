"""EM to the mode, many times at once: other rows or other weights each time."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from bayesgmm.kernel.evaluate import address, together
from bayesgmm.kernel.library import CLIMB, function
from bayesgmm.kernel.threads import threads

#: How a climb ended: near enough to its mode; with all its steps taken; with a covariance that is singular.
CONVERGED, CLIMBING, COLLAPSED = 0, 1, 2
# Parts of the climbs that a thread takes one after the other; between two of them it can be interrupted.
_PARTS = 16


def climbs(x, weights, log_weights, means, factors, *, is_round=False, tolerance=1e-4, most=500):
    """EM from one mixture, B times over, each with its own weights or rows; in compiled code.

    Over few rows a step takes microseconds, a hundredth of what Python needs to ask for one.

    Laws: a climb depends on its own rows and weights alone, to the last bit; where it converged, Newton's decrement is
    about `tolerance` or less.

    Parameters
    ----------
    x : ndarray (N, D) or (B, N, D)
        Finite rows in double precision.
    weights : ndarray (B, N) or None
        How often each row counts. Without, each once.
    log_weights : ndarray (K,)
    means : ndarray (K, D)
    factors : ndarray (F, D, D) or (F, D)
        Of the mixture that every climb begins at, as a `Whitening` keeps them; F = K, or 1 that all share.
    is_round : bool
        Diagonal factors have one number.
    tolerance : float
        Newton's decrement, twice the log-likelihood still to be gained, at which a climb ends.
    most : int
        Steps.

    Returns
    -------
    log_weights : ndarray (B, K)
    means : ndarray (B, K, D)
    factors : ndarray (B, F, D, D) or (B, F, D)
    ends : ndarray of int (B,)
        `CONVERGED`, `CLIMBING` or `COLLAPSED`.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> x, weights = np.array([[0.0], [2.0], [4.0]]), np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    >>> found = climbs(x, weights, np.zeros(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> found[1].ravel(), found[3]
    (array([2., 1.]), array([0, 0]))
    """
    (k, d), n = means.shape, x.shape[-2]
    x = np.ascontiguousarray(x, dtype=float)
    weights = None if weights is None else np.ascontiguousarray(weights, dtype=float)
    size = len(x) if weights is None else len(weights)
    fits = x.shape[-1] == d and x.shape[:-2] in ((), (size,)) and (weights is None or weights.shape == (size, n))
    fits = fits and len(log_weights) == k and len(factors) in (1, k) and factors.shape[1:] in ((d,), (d, d))
    if not fits or (weights is None and x.ndim < 3):
        given = None if weights is None else weights.shape
        raise ValueError(f"x {x.shape}, weights {given}, means {means.shape} and factors {factors.shape} do not fit")
    theta = np.tile(np.concatenate((log_weights, means, factors), axis=None, dtype=float), (size, 1))
    ends = np.zeros(size, dtype=np.int64)
    _run(x, weights, theta, ends, (n, k, d, len(factors), d if factors.ndim == 3 else 1, int(is_round)),
         np.array([float(tolerance)]), most)  # fmt: skip
    parts = np.split(theta, [k, k + k * d], axis=1)
    return parts[0], parts[1].reshape(size, k, d), parts[2].reshape(size, *factors.shape), ends


def _run(x, weights, theta, ends, shape, tolerance, most) -> None:
    climb, size = function(CLIMB), len(theta)
    x_step = x.strides[0] if x.ndim == 3 else 0
    first, step = (0, 0) if weights is None else (address(weights), weights.strides[0])
    workers = min(threads(), size)
    cuts = min(size, _PARTS * workers)
    todo = deque(pairwise(size * i // cuts for i in range(cuts + 1)))

    def work():
        while todo:
            try:
                begin, end = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            climb(end - begin, address(x) + begin * x_step, x_step, *shape, first + begin * step, step, most,
                  address(tolerance), address(theta) + begin * theta.strides[0], theta.strides[0],
                  address(ends) + 8 * begin)  # fmt: skip

    together(work, workers)
