"""A covariance that all components share: what is within them is what all rows have, less what is between the means."""

from __future__ import annotations

from numba import njit

from bayesgmm.kernel.options import EXACT


@njit(**EXACT)
def pool(x, weights, total_weight, centre, total):
    """The mean of all rows x (N, D) and their scatter (D, D) about it; ``weights`` of length zero are ones."""
    n, d = x.shape
    for j in range(d):
        centre[j] = 0.0
        for h in range(d):
            total[j, h] = 0.0
    for i in range(n):
        share = (weights[i] if weights.shape[0] > 0 else 1.0) / total_weight
        for j in range(d):
            centre[j] += share * x[i, j]
    for i in range(n):
        weight = weights[i] if weights.shape[0] > 0 else 1.0
        for j in range(d):
            gap = weight * (x[i, j] - centre[j])
            for h in range(d):
                total[j, h] += gap * (x[i, h] - centre[h])


@njit(**EXACT)
def within(means, counts, centre, total, out):
    """Σ_k S_k in out[0], of components with these means; the other S_k (K, D, D) are zero."""
    k, d = means.shape
    for i in range(k):
        for j in range(d):
            for h in range(d):
                out[i, j, h] = total[j, h] if i == 0 else 0.0
    for i in range(k):
        for j in range(d):
            gap = counts[i] * (means[i, j] - centre[j])
            for h in range(d):
                out[0, j, h] -= gap * (means[i, h] - centre[h])
