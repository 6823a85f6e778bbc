"""The same rows under many mixtures, such as the draws of a posterior."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from bayesgmm.kernel import plan
from bayesgmm.kernel.evaluate import address, own_memory, together
from bayesgmm.kernel.incomplete import Incomplete, evaluate_incomplete
from bayesgmm.kernel.library import REPEAT, function
from bayesgmm.kernel.threads import threads
from bayesgmm.kernel.whitening import Whitening

# Parts of the mixtures that a thread takes one after the other; between two of them it can be interrupted.
_PARTS = 32


def log_probs(x, log_weights, means, factors, *, responsibilities=False):
    """log p(x_n) under each of M mixtures, to the last bit what `e_step` gives for one after the other.

    Over few rows, a pass takes a fraction of the time that Python needs to prepare it: here that is done once.

    Parameters
    ----------
    x : ndarray (N, D) or Incomplete
        Rows in data units, finite; they become double precision.
    log_weights : ndarray (M, K)
    means : ndarray (M, K, D)
    factors : ndarray (M, F, D, D) or (M, F, D)
        Of each mixture what a `Whitening` keeps.
    responsibilities : bool
        Return r (M, N, K) as well.

    Returns
    -------
    log_prob : ndarray (M, N)
    responsibilities : ndarray (M, N, K)
        Only when asked for.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> means = np.array([[[0.0], [5.0]], [[1.0], [5.0]]])
    >>> log_probs(np.zeros((1, 1)), np.log(np.full((2, 2), 0.5)), means, np.ones((2, 2, 1))).round(4)
    array([[-1.6121],
           [-2.1121]])
    """
    x = x if isinstance(x, Incomplete) else np.require(x, float, "A")
    _require_shapes(x, log_weights, means, factors)
    shape = len(means), len(x)
    log_prob = np.empty(shape)
    r = np.zeros((*shape, means.shape[1])) if responsibilities else np.empty((shape[0], 0, 0))
    if log_prob.size:
        fill = _fill_incomplete if isinstance(x, Incomplete) else _fill
        fill(x, log_weights, means, factors, log_prob, r)
    return (log_prob, r) if responsibilities else log_prob


def _fill(x, log_weights, means, factors, log_prob, r) -> None:
    (m, k, d), f, n = means.shape, factors.shape[1], len(x)
    width = d if factors.ndim == 4 else 1
    theta = np.concatenate([np.reshape(a, (m, -1)) for a in (log_weights, means, factors)], axis=1, dtype=float)
    walks, size = function(REPEAT), plan.memory(k, d, f, width, 8).bytes
    rows = address(x), *x.strides, n, k, d, f, width
    arrays = [(address(array), array.strides[0]) for array in (theta, log_prob, r)]
    workers = min(m, plan.n_workers(threads(), m * n, k, d, width))
    parts = min(m, _PARTS * workers)
    todo = deque(pairwise(m * i // parts for i in range(parts + 1)))

    def work():
        spare = np.zeros(4)
        room = own_memory(size)
        while todo:
            try:
                first, last = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            mixtures, densities, shares = (start + first * step for start, step in arrays)
            walks(last - first, *rows, mixtures, theta.strides[0], densities, shares, r.shape[1], address(spare), room)

    together(work, workers)


def _fill_incomplete(x, log_weights, means, factors, log_prob, r) -> None:
    for i in range(len(means)):
        done = evaluate_incomplete(x, log_weights[i], means[i], Whitening(factors[i]), responsibilities=r.size > 0)
        log_prob[i] = done.log_prob
        if r.size:
            r[i] = done.responsibilities


def _require_shapes(x, log_weights, means, factors) -> None:
    # The compiled loops check no bounds: wrong shapes would read foreign memory.
    m, k, d = means.shape
    if len(x.shape) != 2 or x.shape[1] != d:
        raise ValueError(f"x has shape {x.shape}, but the mixtures need (N, {d}): a column a feature")
    fit = factors.shape[0] == m and factors.shape[1] in (1, k) and factors.shape[2:] in ((d,), (d, d))
    if log_weights.shape != (m, k) or not fit:
        raise ValueError(f"log_weights {log_weights.shape}, means {means.shape}, factors {factors.shape} do not fit")
