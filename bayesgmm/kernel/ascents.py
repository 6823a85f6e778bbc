"""Quasi-Newton EM from several mixtures at once, of any covariance family, in compiled code."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from bayesgmm.kernel.evaluate import address, together
from bayesgmm.kernel.library import ASCENT, function
from bayesgmm.kernel.structured import PARTS
from bayesgmm.kernel.threads import threads

#: How an ascent ended: near enough to its mode; with all its steps taken; with a covariance that is singular; or left
#: after a trial, because others were higher.
CONVERGED, CLIMBING, COLLAPSED, LEFT = 0, 1, 2, 3


class Penalty(NamedTuple):
    """What a prior adds to the log-likelihood: log N(μ_k; m, Σ_k / κ) and the family's penalty, up to a constant."""

    kappa: float
    mean: np.ndarray  # (D,)
    rows: np.ndarray  # (K,), α − 1
    more: np.ndarray  # (K,), what is added to N_k, by the means' prior too
    scatters: np.ndarray  # (K, D, D), what is added to S_k


class Moments(NamedTuple):
    """Where B ascents begin: at the covariances that are most likely given these."""

    counts: np.ndarray  # (B, K)
    scatters: np.ndarray  # (B, K, D, D)


class Trial(NamedTuple):
    """All ascents take so many steps; then the highest of them go on, and those that are sure to."""

    steps: int
    keep: int
    sure: np.ndarray  # (B,), bool


class Ascents(NamedTuple):
    """Where B ascents ended."""

    log_weights: np.ndarray  # (B, K)
    means: np.ndarray  # (B, K, D)
    factors: np.ndarray  # (B, F, D, D) or (B, F, D)
    ends: np.ndarray  # (B,)
    n_iter: np.ndarray  # (B,)
    log_likelihoods: np.ndarray  # (B,)
    objectives: np.ndarray  # (B,)
    histories: np.ndarray  # (B, most + 1), of which n_iter + 1 count


def ascents(x, weights, log_weights, means, begin, code: str, *, penalty: Penalty | None = None, floor=None,
            tolerance=1e-4, most=2000, trial: Trial | None = None, workers: int | None = None) -> Ascents:  # fmt: skip
    """EM with quasi-Newton steps from B mixtures, each over its own rows or weights, or all over the same.

    Laws: an ascent depends on its own start, rows and weights alone, to the last bit; its objective never falls; where
    it converged, Newton's decrement is about `tolerance` or less.

    Parameters
    ----------
    x : ndarray (N, D) or (B, N, D)
        Finite rows in double precision.
    weights : ndarray (N,) or (B, N) or None
        How often each row counts. Without, each once.
    log_weights, means : ndarray (B, K), (B, K, D)
        Where to begin.
    begin : ndarray (B, F, D, D) or (B, F, D), or Moments
        Factors, as a `Whitening` keeps them, F = K, or 1 that all share; or statistics, whose M-step they are.
    code : str
        Three letters: the covariances' structure; see `structured`.
    penalty : Penalty, optional
        Of a prior.
    floor : ndarray (D,), optional
        Squares of the factors' diagonals at which a covariance counts as one that collapses.
    tolerance : float
        Newton's decrement, twice the objective still to be gained, at which an ascent ends.
    most : int
        Steps.
    trial : Trial, optional
        Without, all go to the end. With one there is one thread.
    workers : int, optional
        Threads; all without. One, where the caller has threads of its own.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [2.0], [4.0]])
    >>> found = ascents(x, None, np.zeros((1, 1)), np.zeros((1, 1, 1)), np.ones((1, 1, 1)), "VVI")
    >>> found.means.ravel(), found.ends
    (array([2.]), array([0]))
    """
    (size, k, d), n = means.shape, x.shape[-2]
    x = np.ascontiguousarray(x, dtype=float)
    weights = None if weights is None else np.ascontiguousarray(weights, dtype=float)
    begin, factors = _begun(begin, code, k, d)
    theta = np.concatenate([part.reshape(size, -1) for part in (log_weights, means, factors)], axis=1, dtype=float)
    width = d if factors.ndim == 4 else 1
    parts = np.array([k, d, factors.shape[1], width, *(PARTS[letter] for letter in code)])
    given = _given(penalty, floor, tolerance, k, d)
    ends, heights = np.zeros((size, 2), dtype=np.int64), np.zeros((size, 2))
    histories = np.empty((size, most + 1))
    climb, x_step = function(ASCENT), x.strides[0] if x.ndim == 3 else 0
    first = 0 if weights is None else address(weights)
    step = weights.strides[0] if weights is not None and weights.ndim == 2 else 0
    tried = np.array([most, size, *np.zeros(size, int)] if trial is None else [*trial[:2], *trial.sure], dtype=np.int64)
    at = [address(array) for array in (x, parts, given, theta, ends, heights, histories, tried)]
    moments, moments_step = (0, 0) if begin is None else (address(begin), begin.strides[0])
    workers = 1 if trial else min(workers or threads(), size)
    # One at a time, so that all threads are busy to the end; or all at once, where there is but one.
    each = 1 if workers > 1 else size
    todo = deque(range(0, size, each))

    def work():
        while todo:
            try:
                i = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            climb(each, at[0] + i * x_step, x_step, n, at[1], first + i * step, step, most, at[2],
                  moments + i * moments_step, at[7], at[3] + i * theta.strides[0], theta.strides[0], at[4] + 16 * i,
                  at[5] + 16 * i, at[6] + i * histories.strides[0])  # fmt: skip

    together(work, workers)
    found = np.split(theta, [k, k + k * d], axis=1)
    factors = found[2].reshape(factors.shape)
    # What stands above a factor's diagonal is never looked at there.
    return Ascents(found[0], found[1].reshape(size, k, d), np.tril(factors) if width > 1 else factors, *ends.T,
                   *heights.T, histories)  # fmt: skip


def _begun(begin, code: str, k: int, d: int):
    """Statistics as one array, and factors, which are still to be found; or none, and factors."""
    if not isinstance(begin, Moments):
        return None, begin
    size, shared, is_diagonal = len(begin.counts), "V" not in code, code[2] == "I"
    factors = np.zeros((size, 1 if shared else k, d, *(() if is_diagonal else (d,))))
    return np.concatenate((begin.counts, begin.scatters.reshape(size, -1)), axis=1, dtype=float), factors


def _given(penalty, floor, tolerance, k, d) -> np.ndarray:
    """Tolerance, floor and prior as one array."""
    if penalty is None:
        penalty = Penalty(0.0, np.zeros(d), np.zeros(k), np.zeros(k), np.zeros((k, d, d)))
    return np.concatenate((tolerance, np.zeros(d) if floor is None else floor, *penalty), axis=None, dtype=float)
