"""`information`: what rows say about the curvature of their log-likelihood, which is no function of the statistics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.kernel.estep import e_step

# Doubles held at once.
_BLOCK = 4_000_000


class Information(NamedTuple):
    """Complete-data and missing information (p, p); what is observed is their difference (Louis 1982).

    The coordinates, all without units, are the shifts a_k of log π_k, before weights are made to sum to one again;
    b_k = L_k⁻¹ δμ_k; and, row by row, the lower triangle of E_k = L_k⁻¹ δL_k, of diagonal factors its diagonal. p is
    K(1 + D + D(D+1)/2), or K(1 + 2D), ordered (a, b_1, …, b_K, E_1, …, E_K), also where components share a factor.
    """

    complete: np.ndarray
    missing: np.ndarray

    @property
    def observed(self) -> np.ndarray:
        """Minus the second derivatives of Σ_n w_n log p(x_n)."""
        return self.complete - self.missing


def information(x, mixture, case_weights=None) -> Information:
    """The information of rows about a mixture, in one pass.

    With s_nk the gradient of log π_k N(x_n | μ_k, Σ_k), the missing information is Σ_n w_n Cov_k(s_nk), over
    k ~ r_n: what would be known besides if labels were seen.

    Parameters
    ----------
    x : ndarray (N, D)
        Complete rows.
    mixture : object with ``log_weights`` (K,), ``means`` (K, D) and ``whitening``
        As for `e_step`.
    case_weights : ndarray (N,), optional

    Returns
    -------
    Information

    References
    ----------
    Louis (1982); Oakes (1999).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import Mixture
    >>> one = Mixture([1.0], [[0.0]], [[[4.0]]])
    >>> information(np.array([[-2.0], [2.0]]), one).observed.round(12)  # of a, b, and E where x̄ = 0 and S = N Σ
    array([[0., 0., 0.],
           [0., 2., 0.],
           [0., 0., 4.]])
    """
    x = np.asarray(x, dtype=float)
    k, d = mixture.means.shape
    pairs = _pairs(mixture.whitening, d)
    q = 1 + d + len(pairs[0])
    weights = np.ones(len(x)) if case_weights is None else np.asarray(case_weights, dtype=float)
    own, crossed = np.zeros((k, q, q)), np.zeros((k * q, k * q))
    step = max(1, _BLOCK // (k * q))
    for first in range(0, len(x), step):
        rows, w = x[first : first + step], weights[first : first + step]
        r = e_step(rows, mixture, responsibilities=True)[2]
        scores = _scores(rows, mixture, pairs)
        shared = scores * r.T[:, :, None]
        own += np.matmul((shared * w[:, None]).mT, scores)
        # Where a component has a row to itself, this takes away all that the row adds above.
        flat = shared.transpose(1, 0, 2).reshape(len(rows), k * q)
        crossed += flat.T @ (flat * w[:, None])
    missing = -crossed
    for i in range(k):
        missing[i * q : (i + 1) * q, i * q : (i + 1) * q] += own[i]
    order = _order(k, d, len(pairs[0]))
    weights_now = np.exp(mixture.log_weights)
    return Information(_complete(own, weights_now, pairs)[np.ix_(order, order)], missing[np.ix_(order, order)])


def _pairs(whitening, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of E."""
    return (np.arange(d), np.arange(d)) if whitening.is_diagonal else np.tril_indices(d)


def _scores(x, mixture, pairs) -> np.ndarray:
    """s (K, N, q) but for a constant: 1, z, and z_i z_j − [i = j] of the pairs."""
    factors = np.broadcast_to(mixture.whitening.scale_trils, (len(mixture.means), *2 * (x.shape[1],)))
    z = np.matmul(x - mixture.means[:, None], np.linalg.inv(factors).mT)
    i, j = pairs
    return np.concatenate([np.ones((*z.shape[:2], 1)), z, z[:, :, i] * z[:, :, j] - (i == j)], axis=2)


def _complete(own, weights, pairs) -> np.ndarray:
    """Minus the second derivatives of Q at fixed statistics, of (a_k, b_k, E_k) for each k.

    Of log N, in z, they are those of −Σ log(1 + E_ii) − ½ ‖(I + E)⁻¹ (z − b)‖².
    """
    k, q, _ = own.shape
    i, j = pairs
    d = q - 1 - len(i)
    m0, m1 = own[:, 0, 0], own[:, 0, 1 : 1 + d]
    m2 = own[:, 1 : 1 + d, 1 : 1 + d]
    found = np.zeros((k, q, k, q))
    found[:, 0, :, 0] = m0.sum() * (np.diag(weights) - np.outer(weights, weights))
    same = (i[:, None] == i) * 1.0
    for c in range(k):
        block = found[c, :, c]
        block[1 : 1 + d, 1 : 1 + d] = m0[c] * np.eye(d)
        crossed = np.eye(d)[:, i] * m1[c][j] + np.eye(d)[:, j] * m1[c][i]
        block[1 : 1 + d, 1 + d :], block[1 + d :, 1 : 1 + d] = crossed, crossed.T
        chained = (j[:, None] == i) * m2[c][np.ix_(i, j)]
        block[1 + d :, 1 + d :] = same * m2[c][np.ix_(j, j)] + chained + chained.T - m0[c] * np.diag(1.0 * (i == j))
    return found.reshape(k * q, k * q)


def _order(k: int, d: int, n_pairs: int) -> np.ndarray:
    """From (a, b, E) component by component to all a, all b, all E."""
    places = np.arange(k * (1 + d + n_pairs)).reshape(k, -1)
    return np.concatenate([part.ravel() for part in np.split(places, [1, 1 + d], axis=1)])
