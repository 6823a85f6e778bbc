"""`e_step`: the one function through which every algorithm touches the data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.kernel import native
from bayesgmm.kernel.statistics import Stats
from bayesgmm.kernel.threads import pool, threads
from bayesgmm.kernel.whitening import Whitening


class Moments(NamedTuple):
    """Weighted moments of z = L_k⁻¹ (x − μ_k) about zero; the weights may be signed."""

    m0: np.ndarray  # (K,)
    m1: np.ndarray  # (K, D)
    m2: np.ndarray  # (K, D, D)


def e_step(x, mixture, case_weights=None, *, responsibilities=False):
    """Evaluate a mixture on rows: log p(x_n), and what the rows say about each component.

    Fisher's identity makes this enough for every algorithm: ∇_θ Σ_n log p(x_n | θ) = ∇_θ Q(θ; S) with the
    statistics S held fixed.

    Parameters
    ----------
    x : ndarray (N, D)
        Rows in data units, finite.
    mixture : object with ``log_weights`` (K,), ``means`` (K, D) and ``whitening`` (a `Whitening`)
        Usually a `bayesgmm.Mixture`.
    case_weights : ndarray (N,), optional
        Non-negative; a weight of 2 counts a row twice. Log densities are not multiplied by it.
    responsibilities : bool
        Return r (N, K) as well.

    Returns
    -------
    log_prob : ndarray (N,)
        log p(x_n).
    stats : Stats
        (N_k, x̄_k, S_k); a component without weight has N_k = 0, x̄_k = μ_k, S_k = 0.
    responsibilities : ndarray (N, K)
        P(Z_n = k | x_n), only when asked for; every row sums to one.

    Raises
    ------
    ValueError
        If the shapes of x or case_weights do not fit the mixture.

    References
    ----------
    Dempster, Laird & Rubin (1977); the gradient identity is Fisher's (see Efron's discussion there).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import Mixture
    >>> two = Mixture([0.5, 0.5], [[-5.0], [5.0]], [[[1.0]], [[1.0]]])
    >>> log_prob, stats = e_step(np.array([[-5.0], [-4.0], [5.0]]), two)
    >>> stats.counts.round(6), stats.means.round(6).ravel()
    (array([2., 1.]), array([-4.5,  5. ]))
    """
    x = np.asarray(x, dtype=float)
    weights = np.empty(0) if case_weights is None else np.ascontiguousarray(case_weights, dtype=float)
    _require_shapes(x, mixture.means, case_weights is None, weights)
    log_prob, moments, r = evaluate(x, mixture.log_weights, mixture.means, mixture.whitening, weights, responsibilities)
    stats = centred(moments, mixture.means, mixture.whitening)
    return (log_prob, stats, r) if responsibilities else (log_prob, stats)


def _require_shapes(x, means, unweighted, weights):
    # The compiled loops check no bounds: wrong shapes would read foreign memory.
    if x.ndim != 2 or x.shape[1] != means.shape[1]:
        raise ValueError(f"x has shape {x.shape}, but the mixture needs (N, {means.shape[1]}): a column a feature")
    if not unweighted and weights.shape != x.shape[:1]:
        raise ValueError(f"case_weights has shape {weights.shape}, but x has {len(x)} rows: give one weight a row")


def evaluate(x, log_weights, means, whitening: Whitening, row_weights, responsibilities=False):
    """One threaded pass: log p (N,), `Moments` weighted by ``row_weights`` (N,) or (0,), r (N, K) or (0, 0)."""
    n, (n_components, n_features) = len(x), means.shape
    ranges = native.n_ranges(n, n_components, n_features)
    log_prob = np.empty(n)
    r = np.empty((n, n_components) if responsibilities else (0, 0))
    m0 = np.zeros((ranges, n_components))
    m1 = np.zeros((ranges, n_components, n_features))
    m2 = np.zeros((ranges, n_components, n_features, n_features))
    log_norms = log_weights + whitening.log_normalisers()
    # The copy of the means is there because numba compiles once more for an array that is read-only.
    rest = (np.ascontiguousarray(x), log_norms, np.array(means), whitening.factors, whitening.diagonal,
            row_weights, log_prob, r, m0, m1, m2)  # fmt: skip
    workers = min(threads(), ranges)
    if workers == 1:
        native.some_ranges(0, 1, *rest)
    else:
        jobs = [pool(workers).submit(native.some_ranges, first, workers, *rest) for first in range(workers)]
        for job in jobs:
            job.result()
    return log_prob, Moments(*native.merge(m0, m1, m2)), r


def centred(moments: Moments, means: np.ndarray, whitening: Whitening) -> Stats:
    """Map moments about μ_k in whitened coordinates to (N_k, x̄_k, S_k) in data units."""
    m0, m1, m2 = moments
    shift = m1 / np.where(m0 > 0, m0, 1.0)[:, None]
    inner = m2 - m0[:, None, None] * shift[:, :, None] * shift[:, None, :]
    factors = whitening.factors
    if whitening.diagonal:
        scale = np.diagonal(factors, axis1=-2, axis2=-1)
        spread = inner * np.eye(inner.shape[-1]) * scale[:, :, None] ** 2
        return Stats(m0, means + scale * shift, spread)
    return Stats(m0, means + (factors @ shift[:, :, None])[:, :, 0], factors @ inner @ factors.swapaxes(-1, -2))
